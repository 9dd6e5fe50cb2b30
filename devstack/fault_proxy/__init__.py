"""The proxy before the stores of a stack: passes everything on, until it is told to do so badly."""
