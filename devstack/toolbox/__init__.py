"""Tools of other languages, and the locks that they are installed from."""
