"""The rate limit service: what Envoy asks before it lets a request through."""
