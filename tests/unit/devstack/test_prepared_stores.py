"""When a start has to prepare the stores again."""

import json
from pathlib import Path

import pytest

from devstack import prepared_stores
from devstack.local_cluster import LocalCluster
from devstack.prepared_stores import PreparedStores


@pytest.fixture
def declaring_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the one file that stands for all code."""
    monkeypatch.setattr(prepared_stores, "REPO", tmp_path)
    file = tmp_path / "services" / "declares.py"
    file.parent.mkdir()
    file.write_text("COLLECTIONS = ()")
    return file


def prepared(local: LocalCluster) -> PreparedStores:
    return PreparedStores(local.topology, local.credentials)


def test_a_new_stack_has_nothing(local: LocalCluster, declaring_file: Path) -> None:
    assert not prepared(local).have_collections()
    assert not prepared(local).have_queues()


def test_what_was_recorded_is_there_until_the_code_changes(local: LocalCluster, declaring_file: Path) -> None:
    prepared(local).record_collections()
    prepared(local).record_queues()
    assert prepared(local).have_collections()
    assert prepared(local).have_queues()
    declaring_file.write_text("COLLECTIONS = (1,)")
    assert not prepared(local).have_collections()
    # The queues themselves are compared as well: most code declares none.
    assert prepared(local).have_queues()


def test_another_queue_has_to_be_declared(local: LocalCluster, declaring_file: Path) -> None:
    prepared(local).record_queues()
    record = local.topology.prepared_stores_file
    record.write_text(json.dumps(json.loads(record.read_text()) | {"queues": {}}))
    assert prepared(local).have_queues()
    declaring_file.write_text("QUEUES = (1,)")
    assert not prepared(local).have_queues()


def test_a_new_shard_or_password_needs_preparing(local: LocalCluster, declaring_file: Path) -> None:
    prepared(local).record_collections()
    larger = local.with_shard("s9", "mongodb://db:27017/?replicaSet=s9")
    assert not prepared(larger).have_collections()
    local.credentials.services["auth"].mongo_password = "another"
    assert not prepared(local).have_collections()


def test_a_record_that_was_cut_off_counts_as_none(local: LocalCluster, declaring_file: Path) -> None:
    prepared(local).record_collections()
    local.topology.prepared_stores_file.write_text('{"collections": "')
    assert not prepared(local).have_collections()
