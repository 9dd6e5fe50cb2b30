"""A stack's record in a folder of the test's own."""

from pathlib import Path

import pytest

from ops.stack import topology
from ops.stack.topology import Topology


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IC_STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def stack(state_dir: Path) -> Topology:
    return topology.find_or_create("unit")
