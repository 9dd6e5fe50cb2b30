"""Listings and their rules; no I/O."""
