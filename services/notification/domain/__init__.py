"""The rules of notices, recipients and mails: pure, without I/O."""
