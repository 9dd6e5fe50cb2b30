"""The proxy before the stores of a stack: forwards everything, and delays or cuts it on request."""
