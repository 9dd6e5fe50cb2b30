"""Two shards whose first slots hold documents of all services, for tests that move them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient

from devstack import mongo
from devstack.local_cluster import LocalCluster
from ops.migration import handover, lock, migrator, operator_actions
from ops.shards import status
from tests.stack import StackHandle

Shard = MongoClient[dict[str, Any]]

PLACES = (("ic_user", "profiles"), ("ic_application", "outbox"), ("ic_analytics", "inbox"))
MOVED, STAYING = range(100), range(100, 150)


@contextmanager
def filled(stores: StackHandle, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCluster]:
    for module, pause in (
        (migrator, "EARLIER_CALLS_GRACE_S"),
        (migrator, "READERS_GRACE_S"),
        (handover, "FENCE_RETRY_DELAY_S"),
    ):
        monkeypatch.setattr(module, pause, 0.1)
    monkeypatch.setattr(lock, "HEARTBEAT_TIMEOUT_S", 1.0)
    monkeypatch.setattr(lock, "HEARTBEAT_INTERVAL_S", 0.2)
    found = stores.cluster
    with shard(found, "s1") as s1:
        for database, collection in PLACES:
            s1[database][collection].insert_many(document(slot) for slot in (*MOVED, *STAYING))
    yield found
    for name in ("s1", "s2"):
        with shard(found, name) as each:
            for database, collection in PLACES:
                each[database][collection].delete_many({})
    if {each.slots for each in status.read_shard_statuses(found)} != {8192}:
        operator_actions.move_slots(found, MOVED, "s1", wait_for_line)


def document(slot: int) -> dict[str, Any]:
    return {"_id": f"doc_{slot:05}", "slot": slot, "time": datetime.now(UTC), "n": 0, "text": "é" * 50}


@contextmanager
def shard(stack: LocalCluster, name: str) -> Iterator[Shard]:
    found = next(each for each in stack.topology.shards if each.name == name)
    with MongoClient[dict[str, Any]](mongo.shard_admin_uri(found, stack.credentials)) as client:
        yield client


def wait_for_line(_: str) -> None:
    """Ignore the line."""


def at(line: str, then: Callable[[], object]) -> Callable[[str], None]:
    """Return a progress report that calls `then` when the mover first reports such a line."""
    waiting = [then]

    def hear(said: str) -> None:
        if line in said and waiting:
            waiting.pop()()

    return hear


def contents(stack: LocalCluster, name: str) -> dict[str, list[tuple[str, int]]]:
    with shard(stack, name) as client:
        return {
            collection: [(row["_id"], row["n"]) for row in client[database][collection].find().sort("_id", 1)]
            for database, collection in PLACES
        }


def rows(slots: range, changed: range = range(0)) -> list[tuple[str, int]]:
    return [(f"doc_{slot:05}", int(slot in changed)) for slot in slots]
