"""The rules of accounts, passwords, sessions and signing keys: pure, without I/O."""
