"""One local stack: its ports, secrets, processes and what brings them up."""
