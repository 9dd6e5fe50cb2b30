"""Benchmarks, chaos, fuzzing, lint and tests: never part of an image."""
