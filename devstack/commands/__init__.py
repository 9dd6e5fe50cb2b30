"""One module for each command of `ic` that runs the local stack."""
