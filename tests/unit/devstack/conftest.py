"""A stack's record in a folder of the test's own."""

from pathlib import Path

import pytest

from devstack import topology
from devstack.local_cluster import LocalCluster
from devstack.mongo import write_mongod_files
from devstack.service_keys import ensure_service_keys
from devstack.topology import Topology
from ops.service_names import OPERATOR_SERVICE


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IC_STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def stack(state_dir: Path) -> Topology:
    return topology.find_or_create_stack("unit")


@pytest.fixture
def local(stack: Topology) -> LocalCluster:
    """Return the stack with the files that `ic up` writes before it starts processes."""
    cluster = LocalCluster.load(stack)
    for folder in (stack.etc_folder, stack.data_folder):
        folder.mkdir(parents=True)
    write_mongod_files(stack, cluster.credentials)
    ensure_service_keys(stack, [*cluster.services, OPERATOR_SERVICE])
    return cluster
