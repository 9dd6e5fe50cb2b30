"""What a process does, by the role in which it was started."""
