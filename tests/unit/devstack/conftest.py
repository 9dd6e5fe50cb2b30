"""A stack's record in a folder of the test's own."""

from pathlib import Path

import pytest

from devstack import topology
from devstack.topology import Topology


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IC_STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def stack(state_dir: Path) -> Topology:
    return topology.find_or_create_stack("unit")
