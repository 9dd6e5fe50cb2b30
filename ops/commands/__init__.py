"""The commands of `ic`: one small module each, of the command's name, with a `register(app)`."""
