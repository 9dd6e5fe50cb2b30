"""Primitives of concurrency: batching, bounds, locks, retries, circuit breakers."""
