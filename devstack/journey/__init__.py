"""The main journey over HTTP: what `ic demo` tells and the end-to-end tests check."""
