"""The rate limit service, which Envoy calls before it routes a request."""
