"""What listings are and the rules that they obey; no I/O."""
