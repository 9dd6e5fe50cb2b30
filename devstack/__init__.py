"""The local stack: its ports, secrets and processes, and the code that starts them."""
