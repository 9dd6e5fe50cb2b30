"""The main journey over HTTP, for `ic demo` and the end-to-end tests."""
