"""The operator's commands give by a file of endpoints and a folder of secrets what they give locally."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from devstack.cluster_export import write_cluster_file
from devstack.topology_parts import StackShard
from ops.paths import REPO
from ops.service_names import service_database
from tests.stack import StackHandle


@pytest.fixture(scope="module")
def file(stack: StackHandle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cluster_file(stack.cluster, tmp_path_factory.mktemp("cluster"))


def ic(*arguments: str) -> str:
    command = [sys.executable, "-m", "ops.cli", *arguments]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def by_both(stack: StackHandle, file: Path, *arguments: str) -> tuple[Any, Any]:
    """Return the JSON of a command by the file, and of the same one by the stack's name."""
    by_file = ic("--cluster", str(file), *arguments, "--json")
    by_name = ic(*arguments, "--json", "--stack", stack.topology.name)
    return json.loads(by_file), json.loads(by_name)


def test_shards_are_listed_and_verified(stack: StackHandle, file: Path) -> None:
    by_file, by_name = by_both(stack, file, "shards", "list")

    stable = ("name", "address", "slots", "version", "fenced", "moving")
    assert by_file["stack"] == by_name["stack"]
    assert [[shard[key] for key in stable] for shard in by_file["shards"]] == [
        [shard[key] for key in stable] for shard in by_name["shards"]
    ]
    assert all(shard["documents"] and shard["error"] == "" for shard in by_file["shards"])
    assert "every slot is on one shard" in ic("--cluster", str(file), "shards", "verify")


def test_dead_letters_and_outboxes_are_listed(stack: StackHandle, file: Path) -> None:
    by_file, by_name = by_both(stack, file, "dlq", "list")
    assert by_file == by_name
    assert by_file["queues"]

    by_file, by_name = by_both(stack, file, "outbox", "status")
    assert [(row["shard"], row["service"]) for row in by_file["outboxes"]] == [
        (row["shard"], row["service"]) for row in by_name["outboxes"]
    ]
    assert not any(row["problem"] for row in by_file["outboxes"])


def test_the_mesh_is_shown(stack: StackHandle, file: Path) -> None:
    by_file, by_name = by_both(stack, file, "mesh")

    assert [node["node"] for node in by_file["nodes"]] == [node["node"] for node in by_name["nodes"]]


def test_a_provisioned_cluster_is_provisioned_again(stack: StackHandle, file: Path) -> None:
    said = ic("--cluster", str(file), "provision")

    assert f"the cluster '{stack.topology.name}' has its users, collections, indexes and queues" in said


def test_provisioning_gives_a_service_its_new_password(
    stack: StackHandle, file: Path, tmp_path: Path
) -> None:
    renewed = write_cluster_file(stack.cluster, tmp_path / "renewed")
    (renewed.parent / "secrets" / "analytics-mongo-password").write_text("renewed\n")
    old = stack.credentials.services["analytics"].mongo_password
    try:
        ic("--cluster", str(renewed), "provision")
        assert {knows_password(stack, shard, "renewed") for shard in stack.topology.shards} == {True}
        assert {knows_password(stack, shard, old) for shard in stack.topology.shards} == {False}
    finally:
        ic("--cluster", str(file), "provision")
    assert knows_password(stack, stack.topology.shards[0], old)


def knows_password(stack: StackHandle, shard: StackShard, password: str) -> bool:
    login: dict[str, Any] = {"username": "analytics", "password": password, "authSource": "admin"}
    with MongoClient[dict[str, Any]](shard.uri, serverSelectionTimeoutMS=5_000, **login) as client:
        try:
            client[service_database("analytics")].command("ping")
            client[service_database("analytics")]["listing_funnels"].find_one()
        except OperationFailure:
            return False
    return True


def test_the_search_index_is_checked_and_rebuilt(stack: StackHandle, file: Path) -> None:
    checked = ic("--cluster", str(file), "replay", "--service", "search", "--dry-run")
    rebuilt = ic("--cluster", str(file), "replay", "--service", "search")

    assert "looked at" in checked
    assert "mended" in rebuilt


def test_moderators_reach_the_services(stack: StackHandle, file: Path) -> None:
    by_file, by_name = by_both(stack, file, "moderate", "list", "--state", "suspended")

    assert by_file == by_name


def test_a_wrong_password_is_answered_with_what_to_do(stack: StackHandle, tmp_path: Path) -> None:
    file = write_cluster_file(stack.cluster, tmp_path / "wrong")
    (file.parent / "secrets" / "mongo-admin-password").write_text("wrong\n")
    command = [sys.executable, "-m", "ops.cli", "--cluster", str(file), "provision"]

    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 1
    assert "does not know the user 'admin'" in done.stdout
    assert "Traceback" not in done.stderr
