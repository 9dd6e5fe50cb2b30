"""The proxy before the stores of a stack: passes everything on, and delays or cuts it on request."""
