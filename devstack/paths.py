"""Where the local stacks and their tools lie in the checkout."""

import os
from pathlib import Path

from ops.paths import GEN, REPO

STATE = REPO / ".ic"
DESCRIPTORS = GEN / "internshipconnect.binpb"


def stacks_dir() -> Path:
    """Return the folder that holds one sub-folder for each local stack (`IC_STATE_DIR` moves it)."""
    return Path(os.environ.get("IC_STATE_DIR", STATE)) / "stacks"
