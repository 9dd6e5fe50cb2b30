"""Reading résumés from files, each in a process of its own."""
