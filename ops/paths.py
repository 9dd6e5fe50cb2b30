"""Paths in the checkout; no other module knows the folders' names."""

from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
PROTOS = REPO / "protos"
GEN = REPO / "gen"
STUBS_DIGEST = GEN / ".digest"
"""A digest of the contracts that the stubs in `GEN` were built from; written after them."""
