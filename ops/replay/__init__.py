"""Rebuilds of derived data from the source of truth."""
