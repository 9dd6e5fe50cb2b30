"""Paths in the checkout; no other module knows the folders' names."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
PROTOS = REPO / "protos"
GEN = REPO / "gen"
STATE = REPO / ".ic"
STUBS_DIGEST = GEN / ".digest"
"""A digest of the contracts that the stubs in `GEN` were built from; written after them."""
DESCRIPTORS = GEN / "internshipconnect.binpb"


def stacks_dir() -> Path:
    """Return the folder that holds one sub-folder for each local stack (`IC_STATE_DIR` moves it)."""
    return Path(os.environ.get("IC_STATE_DIR", STATE)) / "stacks"
