"""The slot map in the cluster: followed while it changes, fenced, and a lease that runs out."""

import asyncio
import json
import os
import secrets
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import InvalidOperation

from chassis.errors import DomainError
from chassis.ids import SLOT_COUNT, new_id
from chassis.sharding import rebalance, slot_map_store, slot_map_watch, write_lease
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap
from chassis.sharding.slot_map_store import ClusterMember
from chassis.sharding.slot_map_watch import ProcessIdentity, SlotMapWatch
from chassis.sharding.transactions import Transaction
from chassis.sharding.write_lease import WRITE_LEASE_S
from devstack import mongo
from tests.integration.chassis.sharding import slot_writer
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S, wait_until

SLOT, OTHER_SLOT = 7, 8
SLOT_MAP_TIMEOUT_S = WAIT_TIMEOUT_S


@dataclass
class SlotMapHarness:
    """Two shards with a catalogue of this test's own: the first holds all slots, the second is not in it."""

    database: str
    password: str
    uris: dict[str, str]
    clients: dict[str, AsyncMongoClient[dict[str, Any]]]
    cluster: str = field(default_factory=lambda: f"ic_cluster_test_{secrets.token_hex(4)}")

    @property
    def first(self) -> SlotMap:
        return SlotMap(1, {"s1": self.uris["s1"]}, ("s1",) * SLOT_COUNT)

    def shards(self) -> Shards:
        return Shards(self.first, self.database, mongo.ADMIN_USER, self.password, cluster=self.cluster)

    async def publish(self, slot_map: SlotMap, *shards: str) -> None:
        for shard in shards:
            assert await slot_map_store.publish_slot_map(self.clients[shard][self.cluster], slot_map)

    async def members(self, shard: str = "s1") -> list[ClusterMember]:
        return await slot_map_store.list_members(self.clients[shard][self.cluster])

    async def count(self, shard: str, id_: str) -> int:
        return await self.clients[shard][self.database]["things"].count_documents({"_id": id_})


@pytest.fixture
async def world(stack: StackHandle, database: str) -> AsyncIterator[SlotMapHarness]:
    uris = {shard.name: shard.uri for shard in stack.topology.shards}
    clients: dict[str, AsyncMongoClient[dict[str, Any]]] = {
        name: AsyncMongoClient(uri, tz_aware=True) for name, uri in stack.admin_uris().items()
    }
    world = SlotMapHarness(database, stack.credentials.mongo_admin_password, uris, clients)
    await slot_map_store.provision_slot_maps(clients, world.first, world.cluster)
    yield world
    for client in clients.values():
        await client.drop_database(world.cluster)
        await client.close()


@asynccontextmanager
async def following(world: SlotMapHarness) -> AsyncIterator[Shards]:
    shards = world.shards()
    watch = SlotMapWatch(shards, ProcessIdentity("test", "serve", "one"))
    await watch.load_newest()
    task = asyncio.create_task(watch.follow_shards())
    try:
        await wait_until(shards.pool_of("s1").write_lease.is_valid)
        yield shards
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await shards.close()


async def until_confirmed(world: SlotMapHarness, version: int, shard: str = "s1") -> None:
    async with asyncio.timeout(SLOT_MAP_TIMEOUT_S):
        while [member.version for member in await world.members(shard)] != [version]:
            await asyncio.sleep(0.005)


async def insert(shards: Shards, slot: int = SLOT) -> str:
    id_ = new_id("thg", slot)
    await shards.shard_for(id_).db["things"].insert_one({"_id": id_})
    return id_


async def test_a_process_registers_at_each_shard_and_unregisters_when_it_ends(world: SlotMapHarness) -> None:
    async with following(world):
        await until_confirmed(world, 1)
        [member] = await world.members()
        assert (member.id, member.service, member.role, member.version) == ("one", "test", "serve", 1)
    assert await world.members() == []


async def test_a_shard_without_a_copy_gets_the_newest_and_others_keep_theirs(world: SlotMapHarness) -> None:
    grown = rebalance.with_shard(world.first, "s2", world.uris["s2"])
    await world.publish(grown, "s1")
    await world.clients["s2"][world.cluster][slot_map_store.SLOT_MAP_COLLECTION].delete_one({})

    await slot_map_store.provision_slot_maps(world.clients, world.first, world.cluster)

    copies = [await slot_map_store.read_slot_map(client[world.cluster]) for client in world.clients.values()]
    assert copies == [grown, grown]


async def test_an_older_map_never_replaces_a_newer_one_and_of_two_changes_one_wins(
    world: SlotMapHarness,
) -> None:
    database = world.clients["s1"][world.cluster]
    one = rebalance.with_shard(world.first, "s2", "mongodb://one")
    two = rebalance.with_shard(world.first, "s2", "mongodb://two")

    assert await slot_map_store.replace_slot_map(database, world.first, one)
    assert not await slot_map_store.replace_slot_map(database, world.first, two)
    assert not await slot_map_store.publish_slot_map(database, two)
    assert await slot_map_store.read_slot_map(database) == one


async def test_a_new_shard_and_moved_slots_are_followed_while_others_read_and_write(
    world: SlotMapHarness,
) -> None:
    async with following(world) as shards:
        ended = False

        async def user() -> int:
            calls = 0
            while not ended:
                id_ = await insert(shards, OTHER_SLOT)
                assert await shards.shard_for(id_).db["things"].find_one({"_id": id_})
                calls += 1
            return calls

        users = [asyncio.create_task(user()) for _ in range(4)]
        grown = rebalance.with_shard(world.first, "s2", world.uris["s2"])
        await world.publish(grown, "s2", "s1")
        await wait_until(lambda: "s2" in [shard.name for shard in shards.all_shards()])
        await until_confirmed(world, grown.version, "s2")
        moved = rebalance.with_owner(grown, {SLOT}, "s2")
        await world.publish(moved, "s2", "s1")
        await until_confirmed(world, moved.version, "s2")
        id_ = await insert(shards)
        ended = True

        assert (await world.count("s1", id_), await world.count("s2", id_)) == (0, 1)
        assert all(calls > 0 for calls in await asyncio.gather(*users))


async def test_a_new_address_of_a_shard_is_followed_while_others_read_and_write(
    world: SlotMapHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.sharding.shards.MAX_CALL_S", 0.0)
    async with following(world) as shards:
        former = shards.pool_of("s1")
        readdressed = rebalance.with_address(
            world.first, "s1", world.uris["s1"].replace("127.0.0.1", "localhost")
        )
        changing = asyncio.create_task(world.publish(readdressed, "s1"))
        calls = 0
        async with asyncio.timeout(SLOT_MAP_TIMEOUT_S):
            while calls < 20 or shards.pool_of("s1") is former:
                id_ = await insert(shards)
                assert await shards.shard_for(id_).db["things"].find_one({"_id": id_})
                calls += 1
        await changing
        await until_confirmed(world, readdressed.version)
        await insert(shards)

        await wait_until(lambda: not shards._closing)
        with pytest.raises(InvalidOperation):
            await former.client.admin.command("ping")


async def test_the_first_question_of_a_process_goes_by_the_newest_map(world: SlotMapHarness) -> None:
    grown = rebalance.with_shard(world.first, "s2", world.uris["s2"])
    await world.publish(rebalance.with_owner(grown, {SLOT}, "s2"), "s1")
    id_ = new_id("thg", SLOT)
    await world.clients["s2"][world.database]["things"].insert_one({"_id": id_})
    shards = world.shards()

    async with slot_map_watch.follow_slot_map(shards, ProcessIdentity("test", "serve")):
        assert await shards.shard_for(id_).db["things"].find_one({"_id": id_})
    await shards.close()


async def test_a_map_that_cannot_be_read_keeps_no_process_from_its_work(world: SlotMapHarness) -> None:
    maps = world.clients["s1"][world.cluster][slot_map_store.SLOT_MAP_COLLECTION]
    await maps.update_one({}, {"$set": {"ranges": []}})
    shards = world.shards()

    async with slot_map_watch.follow_slot_map(shards, ProcessIdentity("test", "serve")):
        assert shards.slot_map == world.first
        assert not shards.pool_of("s1").write_lease.is_valid()
    await shards.close()


async def test_a_fence_refuses_writes_to_its_slots_lets_reads_pass_and_can_be_lifted(
    world: SlotMapHarness,
) -> None:
    async with following(world) as shards:
        id_ = await insert(shards)
        before = shards.shard_for(id_)
        fence = rebalance.with_fence(world.first, {SLOT})
        await world.publish(fence, "s1")
        await until_confirmed(world, fence.version)

        for shard in (before, shards.shard_for(id_)):
            for write in (_update(shard, id_), shard.run_in_transaction(_noop)):
                with pytest.raises(DomainError, match=r"UNAVAILABLE.*handing these records over") as refused:
                    await write
                assert refused.value.retry_after_s
            assert await shard.db["things"].find_one({"_id": id_}) == {"_id": id_}
        await insert(shards, OTHER_SLOT)

        lifted = rebalance.with_fence(fence, ())
        await world.publish(lifted, "s1")
        await until_confirmed(world, lifted.version)
        await insert(shards)


async def _noop(tx: Transaction) -> None:
    await tx.db["things"].find_one({})


async def _update(shard: Any, id_: str) -> None:
    await shard.db["things"].update_one({"_id": id_}, {"$set": {"changed": True}})


async def test_a_fence_counts_as_confirmed_only_when_the_last_earlier_transaction_has_ended(
    world: SlotMapHarness,
) -> None:
    async with following(world) as shards:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow(tx: Transaction) -> None:
            await tx.db["things"].insert_one({"_id": new_id("thg", SLOT)})
            begun.set()
            await go_on.wait()

        working = asyncio.create_task(shards.shard_for(SLOT).run_in_transaction(slow))
        await begun.wait()
        fence = rebalance.with_fence(world.first, {SLOT})
        await world.publish(fence, "s1")
        await wait_until(lambda: shards.slot_map.version == fence.version)
        assert [member.version for member in await world.members()] == [1]

        go_on.set()
        with pytest.raises(DomainError, match="UNAVAILABLE"):
            await working
        await until_confirmed(world, fence.version)


async def test_writes_end_with_the_lease_when_a_shard_cannot_confirm_and_no_other_shard_is_touched(
    world: SlotMapHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_lease, "WRITE_LEASE_S", 1.0)
    monkeypatch.setattr(slot_map_watch, "CONFIRM_INTERVAL_S", 0.2)
    grown = rebalance.with_shard(world.first, "s2", world.uris["s2"])
    both = rebalance.with_owner(grown, {OTHER_SLOT}, "s2")
    await world.publish(both, "s1", "s2")
    async with following(world) as shards:
        id_ = await insert(shards)
        await wait_until(shards.pool_of("s2").write_lease.is_valid)
        maps = world.clients["s1"][world.cluster][slot_map_store.SLOT_MAP_COLLECTION]
        await maps.rename("hidden")

        await wait_until(lambda: not shards.pool_of("s1").write_lease.is_valid())
        with pytest.raises(DomainError, match=r"UNAVAILABLE.*has not confirmed lately"):
            await insert(shards)
        with pytest.raises(DomainError, match="UNAVAILABLE"):
            await shards.shard_for(SLOT).run_in_transaction(_noop)
        assert await shards.shard_for(id_).db["things"].find_one({"_id": id_})
        await insert(shards, OTHER_SLOT)

        await world.clients["s1"][world.cluster]["hidden"].rename(slot_map_store.SLOT_MAP_COLLECTION)
        await wait_until(shards.pool_of("s1").write_lease.is_valid)
        await insert(shards)


async def test_what_a_process_reads_counts_only_once_the_shard_knows_of_it(
    world: SlotMapHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a migration would not wait for a process that has read the map and has no row yet."""
    known: list[list[int]] = []
    version_of = slot_map_store.read_slot_map_version

    async def look_first(database: slot_map_store.ClusterDatabase) -> int | None:
        known.append([member.version for member in await world.members()])
        return await version_of(database)

    monkeypatch.setattr(slot_map_store, "read_slot_map_version", look_first)
    async with following(world):
        await until_confirmed(world, 1)

    assert known[0] == [0]


async def test_an_answer_that_is_older_than_one_before_confirms_nothing(
    world: SlotMapHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a new primary may give one, which does not know yet what the majority has."""
    monkeypatch.setattr(write_lease, "WRITE_LEASE_S", 1.0)
    monkeypatch.setattr(slot_map_watch, "CONFIRM_INTERVAL_S", 0.2)
    fence = rebalance.with_fence(world.first, {SLOT})
    await world.publish(fence, "s1")
    async with following(world) as shards:
        await until_confirmed(world, fence.version)
        maps = world.clients["s1"][world.cluster][slot_map_store.SLOT_MAP_COLLECTION]
        await maps.replace_one({}, {"_id": "slot_map"} | world.first.to_document())

        await wait_until(lambda: not shards.pool_of("s1").write_lease.is_valid())

        assert shards.slot_map == fence
        await maps.replace_one({}, {"_id": "slot_map"} | fence.to_document())
        await wait_until(shards.pool_of("s1").write_lease.is_valid)


async def test_a_process_that_was_paused_longer_than_its_lease_writes_nothing_by_its_old_map(
    world: SlotMapHarness, tmp_path: Path
) -> None:
    path = tmp_path / "slots.json"
    path.write_text(json.dumps(world.first.to_document()))
    told = {
        "slot_map": str(path),
        "database": world.database,
        "cluster": world.cluster,
        "user": mongo.ADMIN_USER,
        "password": world.password,
    }
    writer = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(slot_writer.__file__)), stdin=PIPE, stdout=PIPE, env=_python_path()
    )
    assert writer.stdin
    assert writer.stdout
    writer.stdin.write(json.dumps(told).encode() + b"\n")

    async def written(id_: str) -> str:
        assert writer.stdin
        assert writer.stdout
        writer.stdin.write(id_.encode() + b"\n")
        async with asyncio.timeout(SLOT_MAP_TIMEOUT_S):
            while not (line := await writer.stdout.readline()).startswith(id_.encode()):
                assert line, "the writer has ended"
        return line.decode().strip()

    assert "written" in await written(new_id("thg", SLOT))
    late = new_id("thg", SLOT)
    writer.send_signal(signal.SIGSTOP)
    await world.publish(rebalance.with_fence(world.first, {SLOT}), "s1")
    await asyncio.sleep(WRITE_LEASE_S + 0.5)
    answer = asyncio.create_task(written(late))
    await asyncio.sleep(0)
    writer.send_signal(signal.SIGCONT)

    assert "UNAVAILABLE: mongo shard s1 has not confirmed lately" in await answer
    assert await world.count("s1", late) == 0
    writer.stdin.close()
    await writer.wait()


def _python_path() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(sys.path)}
