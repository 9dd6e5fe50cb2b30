"""The commands of `ic`, one small module each; each has a `register(app)`."""
