"""A local mailbox: takes every mail over SMTP, keeps it on disk, and shows it over HTTP."""
