"""Slots move between shards: their documents arrive as they are in the end, whatever happens on the way."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import ASCENDING, IndexModel

from chassis.sharding import slot_map_store
from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from devstack.local_cluster import WATCHDOG_LOG, LocalCluster
from ops import provision
from ops.cli import main
from ops.errors import OpsError
from ops.migration import handover, initial_copy, lock, operator_actions
from ops.migration.lock import MIGRATION_COLLECTION, MigrationLockLostError
from ops.provision import AdminClient
from ops.shards import status
from tests.integration.stack.moved_documents import (
    MOVED,
    PLACES,
    STAYING,
    at,
    contents,
    document,
    filled,
    rows,
    shard,
    wait_for_line,
)
from tests.killed_migration import FENCED_LINE
from tests.stack import StackHandle, running_second_stack
from tests.waiting import WAIT_TIMEOUT_S

NEVER_SEEN = {
    "_data": "8200000001000000012B022C0100296E5A1004" + 32 * "0" + "46645F69640064" + 24 * "0" + "0004"
}
"""A well-formed resume token of an event that never existed."""
FENCE_LIFT_TIMEOUT_S = WAIT_TIMEOUT_S


@pytest.fixture(scope="module")
def stores() -> Iterator[StackHandle]:
    """Run two shards without services, beside the stack under test."""
    with running_second_stack("moves", shards=2, stores_only=True) as found:
        provision.provision_collections(found.cluster)
        yield found


@pytest.fixture
def stack(stores: StackHandle, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCluster]:
    """Yield the stack with documents in slots 0 to 149 of its first shard."""
    with filled(stores, monkeypatch) as found:
        yield found


def test_documents_of_all_services_go_with_their_slots_and_no_others(stack: LocalCluster) -> None:
    [moved] = operator_actions.move_slots(stack, MOVED, "s2", wait_for_line)

    assert (moved.slots, moved.source, moved.target, moved.documents) == (100, "s1", "s2", 200)
    assert moved.fenced_s is not None
    assert contents(stack, "s2") == {collection: rows(MOVED) for _, collection in PLACES}
    assert contents(stack, "s1") == {collection: rows(STAYING) for _, collection in PLACES}
    assert status.find_shard_problems(stack) == []
    assert [each.slots for each in status.read_shard_statuses(stack)] == [8092, 8292]


def test_what_changes_while_slots_are_copied_arrives_as_it_is_in_the_end(stack: LocalCluster) -> None:
    def change() -> None:
        with shard(stack, "s1") as s1:
            profiles = s1["ic_user"]["profiles"]
            profiles.update_many({"slot": {"$lt": 10}}, {"$inc": {"n": 1}})
            profiles.delete_many({"slot": {"$gte": 90, "$lt": 100}})
            profiles.insert_one(document(95) | {"_id": "doc_new"})

    operator_actions.move_slots(stack, MOVED, "s2", at("following", change))

    assert contents(stack, "s2")["profiles"] == [*rows(range(90), range(10)), ("doc_new", 0)]
    assert contents(stack, "s1")["profiles"] == rows(STAYING)


def test_a_unique_value_that_changes_owners_during_the_move_is_no_obstacle(stack: LocalCluster) -> None:
    index = IndexModel([("name", ASCENDING)], name="name", unique=True, sparse=True)
    for name in ("s1", "s2"):
        with shard(stack, name) as each:
            each["ic_user"]["profiles"].create_indexes([index])
    with shard(stack, "s1") as s1:
        s1["ic_user"]["profiles"].update_one({"slot": 3}, {"$set": {"name": "ada"}})

    def change_hands() -> None:
        with shard(stack, "s1") as s1:
            profiles = s1["ic_user"]["profiles"]
            profiles.update_one({"slot": 1}, {"$set": {"n": 1}})
            profiles.update_one({"slot": 3}, {"$unset": {"name": 1}})
            profiles.update_one({"slot": 1}, {"$set": {"name": "ada"}})

    operator_actions.move_slots(stack, MOVED, "s2", at("following", change_hands))

    with shard(stack, "s2") as s2:
        assert s2["ic_user"]["profiles"].find_one({"name": "ada"}, {"_id": 0, "slot": 1}) == {"slot": 1}
    assert contents(stack, "s2")["profiles"] == rows(MOVED, range(1, 2))
    for name in ("s1", "s2"):
        with shard(stack, name) as each:
            each["ic_user"]["profiles"].drop_index("name")


class InterruptionError(Exception):
    """As when the operator's machine fails; its last steps are done."""


def interrupt() -> None:
    raise InterruptionError


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("telling all", marks=pytest.mark.thorough),
        pytest.param("following", marks=pytest.mark.thorough),
        "switched",
    ],
)
def test_a_move_that_was_interrupted_is_finished(
    stack: LocalCluster, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InterruptionError):
        operator_actions.move_slots(stack, MOVED, "s2", at(line, interrupt))
    assert "on their way from s1" in status.find_shard_problems(stack)[0]
    with pytest.raises(OpsError, match="already; finish it"):
        operator_actions.move_slots(stack, STAYING, "s2", wait_for_line)
    assert {len(found) for found in contents(stack, "s1").values()} == {150}

    operator_actions.resume_migration(stack, wait_for_line)

    assert contents(stack, "s2") == {collection: rows(MOVED) for _, collection in PLACES}
    assert status.find_shard_problems(stack) == []


def test_a_fence_left_by_a_killed_migration_is_lifted_by_the_one_that_resumes(stack: LocalCluster) -> None:
    with pytest.raises(InterruptionError):
        operator_actions.move_slots(stack, MOVED, "s2", at("following", interrupt))
    for name in ("s1", "s2"):
        with shard(stack, name) as each:
            change = {"$set": {"fenced": [{"first": 0, "last": 99}]}, "$inc": {"version": 1}}
            each[CLUSTER_DATABASE][slot_map_store.SLOT_MAP_COLLECTION].update_one({}, change)
    fences: list[Any] = []

    def look() -> None:
        fences.extend(fences_on_first(stack))

    operator_actions.resume_migration(stack, at("telling", look))

    assert fences == [[]]
    assert status.find_shard_problems(stack) == []


@pytest.mark.thorough
def test_a_fence_left_by_a_killed_migration_is_lifted_when_nobody_resumes(stack: LocalCluster) -> None:
    command = [sys.executable, "-m", "tests.killed_migration", str(stack.topology.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        try:
            assert killed.stdout.readline() == f"{FENCED_LINE}\n"
            assert fences_on_first(stack) == [[{"first": 0, "last": 99}]]
        finally:
            killed.kill()

    await_lifted(stack)
    operator_actions.resume_migration(stack, wait_for_line)

    assert contents(stack, "s2") == {collection: rows(MOVED) for _, collection in PLACES}
    assert status.find_shard_problems(stack) == []


@pytest.mark.thorough
def test_a_fence_that_a_migration_could_not_lift_is_lifted_after_it(stack: LocalCluster) -> None:
    async def fail(*_: object) -> None:
        raise OpsError("a shard does not answer")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OpsError, match="does not answer"):
        patch.setattr(initial_copy, "copy_outboxes", fail)
        patch.setattr(handover, "lift_fence", fail)
        operator_actions.move_slots(stack, MOVED, "s2", wait_for_line)
    assert fences_on_first(stack) == [[{"first": 0, "last": 99}]]

    await_lifted(stack)
    operator_actions.abort_migration(stack, wait_for_line)

    assert status.find_shard_problems(stack) == []


def await_lifted(stack: LocalCluster) -> None:
    until = time.monotonic() + FENCE_LIFT_TIMEOUT_S
    while fences_on_first(stack) != [[]]:
        assert time.monotonic() < until, (stack.topology.logs_folder / WATCHDOG_LOG).read_text()
        time.sleep(0.2)


def fences_on_first(stack: LocalCluster) -> list[Any]:
    with shard(stack, "s1") as s1:
        return [row["fenced"] for row in s1[CLUSTER_DATABASE][slot_map_store.SLOT_MAP_COLLECTION].find()]


def test_a_lost_resume_point_of_the_source_restarts_the_copy(stack: LocalCluster) -> None:
    with pytest.raises(InterruptionError):
        operator_actions.move_slots(stack, MOVED, "s2", at("following", interrupt))
    with shard(stack, "s2") as s2:
        s2[CLUSTER_DATABASE][MIGRATION_COLLECTION].update_one(
            {"_id": "progress"}, {"$set": {"token": NEVER_SEEN}}
        )
        s2["ic_user"]["profiles"].insert_one(document(7) | {"_id": "doc_deleted_meanwhile"})
    said: list[str] = []

    operator_actions.resume_migration(stack, said.append)

    assert any("copying all again" in line for line in said)
    assert contents(stack, "s2")["profiles"] == rows(MOVED)


def test_a_move_is_taken_back_until_it_is_switched(stack: LocalCluster) -> None:
    with pytest.raises(InterruptionError):
        operator_actions.move_slots(stack, MOVED, "s2", at("following", interrupt))
    operator_actions.abort_migration(stack, wait_for_line)
    assert [len(found) for found in contents(stack, "s2").values()] == [0, 0, 0]
    assert [each.slots for each in status.read_shard_statuses(stack)] == [8192, 8192]
    assert status.find_shard_problems(stack) == []

    with pytest.raises(InterruptionError):
        operator_actions.move_slots(stack, MOVED, "s2", at("switched", interrupt))
    with pytest.raises(OpsError, match="s2 owns the slots already; finish it"):
        operator_actions.abort_migration(stack, wait_for_line)
    operator_actions.resume_migration(stack, wait_for_line)
    with pytest.raises(OpsError, match="no slots are on their way"):
        operator_actions.resume_migration(stack, wait_for_line)


@pytest.mark.thorough
def test_what_was_taken_back_in_part_can_be_resumed(stack: LocalCluster) -> None:
    with pytest.raises(InterruptionError):
        operator_actions.move_slots(stack, MOVED, "s2", at("following", interrupt))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InterruptionError):
        patch.setattr(
            initial_copy,
            "delete_batch_documents",
            clear_and_be_interrupted(initial_copy.delete_batch_documents),
        )
        operator_actions.abort_migration(stack, wait_for_line)
    assert contents(stack, "s2")["profiles"] == []

    operator_actions.resume_migration(stack, wait_for_line)

    assert contents(stack, "s2") == {collection: rows(MOVED) for _, collection in PLACES}


def clear_and_be_interrupted(clear: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def cleared(*arguments: Any) -> None:
        await clear(*arguments)
        raise InterruptionError

    return cleared


def test_a_superseded_migration_changes_nothing_any_more(stack: LocalCluster) -> None:
    async def one_after_the_other() -> None:
        async with provision.open_admin_clients(stack) as clients:
            async with lock.hold_migration_lock(clients, "s1") as first:
                await first.register("s1", "s2")
                with pytest.raises(OpsError, match="holds the slot map at this moment"):
                    await refused(clients)
            async with lock.hold_migration_lock(clients, "s1") as second:
                await second.register("s1", "s2")
                for late in (first.run_in_transaction("s2", _nothing), first.register("s2")):
                    with pytest.raises(MigrationLockLostError):
                        await late
                await second.run_in_transaction("s2", _nothing)

    asyncio.run(one_after_the_other())


async def refused(clients: Mapping[str, AdminClient]) -> None:
    async with lock.hold_migration_lock(clients, "s1"):
        raise AssertionError("two movers at once")


async def _nothing(_: object) -> None:
    """Do nothing: a step that changes nothing."""


@pytest.mark.thorough
def test_a_fence_that_a_process_does_not_confirm_is_lifted_and_tried_again(stack: LocalCluster) -> None:
    with shard(stack, "s1") as s1:
        maps, members = (
            s1[CLUSTER_DATABASE][slot_map_store.SLOT_MAP_COLLECTION],
            s1[CLUSTER_DATABASE][slot_map_store.MEMBERS_COLLECTION],
        )
        row = {"_id": "late", "service": "user", "role": "serve", "version": 0, "time": datetime.now(UTC)}
        members.insert_one(row)

        def confirm(version: int) -> None:
            members.update_one({"_id": "late"}, {"$set": {"version": version}})

        said: list[str] = []
        by_line = (
            at("telling", lambda: confirm(maps.find({})[0]["version"])),
            at("lifted", lambda: confirm(1_000_000)),
        )

        def hear(line: str) -> None:
            said.append(line)
            for each in by_line:
                each(line)

        operator_actions.move_slots(stack, MOVED, "s2", hear)
        members.delete_one({"_id": "late"})

    assert any(
        "the fence is lifted again: not confirmed in time by user serve (late)" in line for line in said
    )
    assert contents(stack, "s2") == {collection: rows(MOVED) for _, collection in PLACES}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["move", "0-99", "--to", "s9"], "there is no shard 's9'; there are: s1, s2"),
        (["move", "0-99", "--to", "s1"], "all of these slots are on s1 already"),
        (["move", "99-0", "--to", "s2"], "'99-0' are no slots: they go from 0 to 16383"),
        (["move", "5,x", "--to", "s2"], "'5,x' names no slots"),
        (["move", "0-16384", "--to", "s2"], "they go from 0 to 16383"),
        (["move", "--to", "s2"], "say which slots and where --to"),
        (["move", "--resume"], "no slots are on their way"),
    ],
)
def test_a_move_that_makes_no_sense_says_so(
    stores: StackHandle, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["shards", *arguments, "--stack", stores.topology.name])

    assert ended.value.code not in {0, None}
    shown = capsys.readouterr()
    assert complaint in " ".join((shown.out + shown.err).split())
