"""The roles of a process: serving and working."""
