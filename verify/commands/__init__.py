"""One module for each command of `ic` that verifies."""
