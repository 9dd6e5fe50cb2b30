"""A local mailbox: receives every mail over SMTP, stores it on disk, and shows it over HTTP."""
