"""One more shard for a running stack, started for it or there already, and shards at other addresses."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from pymongo.errors import PyMongoError

from chassis.mongo import catalogue, planning
from chassis.mongo.catalogue import CLUSTER
from chassis.mongo.slots import SlotMap
from ops.errors import OpsError
from ops.moving import cluster
from ops.moving.cluster import Cluster
from ops.stack import addresses, lifecycle, mongo
from ops.stack.lifecycle import Stack
from ops.stack.newcomers import refuse_another, refuse_others, refuse_unfit
from ops.stack.provision import AdminClient, make_collections, shard_clients
from ops.stack.shards import copies_of
from ops.stack.steps import Steps
from ops.stack.topology import Shard, Topology


def add(found: Topology, name: str, address: str, steps: Steps) -> SlotMap:
    """Prepares one more shard and adds it to the slot map, with no slots; may be repeated.

    Without an address its servers are started. With one they are there already, with the administrator's
    user of the stack.

    Raises:
        OpsError: the name, the address or what is found there cannot be taken, the stack has no room for
            more, or a shard does not answer.
    """
    with_it = _widened(found, name, address and addresses.checked(address))
    stack = Stack.of(with_it)
    shard = next(shard for shard in with_it.shards if shard.name == name)
    if shard.address:
        with steps.step(f"look at {addresses.hosts_of(shard.uri)}"):
            asyncio.run(_look_at(stack, shard))
    with_it.save()
    _prepare(stack, shard, steps)
    with steps.step("collections and indexes"):
        make_collections(with_it, stack.credentials)
    with steps.step("slot map"):
        return _remembered(with_it, asyncio.run(_enter(stack, name, shard.uri)))


def readdress(found: Topology, name: str, address: str, steps: Steps) -> SlotMap:
    """Has everybody reach a shard at another address from now on; may be repeated.

    Raises:
        OpsError: there is no such shard, or what is at the address does not hold its data, or a shard does
            not answer.
    """
    address = addresses.checked(address)
    if found.shard(name) is None:
        raise OpsError(
            f"there is no shard '{name}'; there are: {', '.join(one.name for one in found.shards)}"
        )
    moved = found.with_address(name, address)
    stack = Stack.of(moved)
    with steps.step(f"look at {addresses.hosts_of(address)}"):
        asyncio.run(_compare(Stack.of(found), stack, name))
    moved.save()
    with steps.step("slot map"):
        return _remembered(moved, asyncio.run(_enter_address(stack, name, address)))


def _remembered(topology: Topology, slot_map: SlotMap) -> SlotMap:
    """Processes that start ask the shards first at the addresses in the file."""
    topology.slot_map.write_text(json.dumps(slot_map.document(), indent=2))
    return slot_map


def _prepare(stack: Stack, shard: Shard, steps: Steps) -> None:
    prepare = partial(mongo.prepare, stack.topology, stack.credentials)
    if not shard.ports:
        with steps.step("users"):
            prepare()
        return
    mongo.write_config(stack.topology, stack.credentials)
    members = [stack.process(mongo.member_name(shard, member)) for member in range(len(shard.ports))]
    lifecycle.add_stores(stack, members, prepare, steps)


def _widened(found: Topology, name: str, address: str) -> Topology:
    """The topology with the new shard, all checked before anything is touched."""
    if found.faults and not address:
        raise OpsError("a stack that was made with --faults keeps its shards: its proxy knows no others")
    slot_map, behind = asyncio.run(_state_of(Stack.of(found)))
    if name in slot_map.uris and behind and address in ("", slot_map.uris[name]):
        return found
    _refuse_differences(slot_map, behind)
    with _plans():
        planning.with_shard(slot_map, name, address)
    for shard in found.shards:
        if shard.name not in slot_map.uris and (shard.name, shard.address) != (name, address):
            begun = f"{shard.name} {shard.address}".rstrip()
            raise OpsError(f"first finish what was begun: ic shards add {begun}")
    return found.with_shard(name, address)


async def _look_at(stack: Stack, shard: Shard) -> None:
    async with shard_clients(stack.topology, stack.credentials) as clients:
        known = {name: client for name, client in clients.items() if name != shard.name}
        slot_map, _ = await _state(known)
        try:
            await refuse_unfit(shard, clients[shard.name], known, slot_map)
        except PyMongoError as error:
            raise OpsError(mongo.unreachable(shard, error)) from error


async def _compare(before: Stack, after: Stack, name: str) -> None:
    """The shard at its new address holds the newest slot map, and what is at the old one is no other."""
    async with (
        shard_clients(before.topology, before.credentials) as old,
        shard_clients(after.topology, after.credentials) as new,
    ):
        shard = next(shard for shard in after.topology.shards if shard.name == name)
        known = {other: client for other, client in new.items() if other != name}
        try:
            await refuse_others(shard, new[name], known)
        except PyMongoError as error:
            raise OpsError(mongo.unreachable(shard, error)) from error
        slot_map, behind = await _state(new)
        if slot_map.uris.get(name) != shard.uri:
            _refuse_differences(slot_map, behind)
        await refuse_another(shard, new[name], old[name])


async def _enter_address(stack: Stack, name: str, uri: str) -> SlotMap:
    async with (
        shard_clients(stack.topology, stack.credentials) as clients,
        cluster.taken(clients) as taken,
    ):
        _refuse_differences(taken.slot_map, await taken.tell_all())
        if taken.slot_map.uris[name] != uri:
            with _plans():
                await taken.change(planning.with_address(taken.slot_map, name, uri))
        return await _told(taken)


@contextmanager
def _plans() -> Iterator[None]:
    try:
        yield
    except planning.PlanError as error:
        raise OpsError(str(error)) from error


async def _state_of(stack: Stack) -> tuple[SlotMap, list[str]]:
    async with shard_clients(stack.topology, stack.credentials) as clients:
        return await _state(clients)


async def _state(clients: Mapping[str, AdminClient]) -> tuple[SlotMap, list[str]]:
    """The newest map, and its shards that do not hold it. Raises OpsError when one does not answer."""
    copies, errors = await copies_of(clients)
    slot_map = catalogue.newest(copies)
    if slot_map is None:
        raise OpsError("no shard holds a slot map: " + "; ".join(errors.values()))
    for name in slot_map.uris:
        if name in errors:
            raise OpsError(f"every shard has to take part, and {name} does not: {errors[name]}")
    return slot_map, [name for name in slot_map.uris if copies.get(name) != slot_map]


def _refuse_differences(slot_map: SlotMap, behind: list[str]) -> None:
    if slot_map.moving:
        raise OpsError("slots are on their way between shards; finish that first: ic shards move --resume")
    if behind:
        names = ", ".join(behind)
        raise OpsError(f"not the slot map of version {slot_map.version}: {names}; see: ic shards verify")


async def _enter(stack: Stack, name: str, uri: str) -> SlotMap:
    """The new shard knows of itself before anybody else does."""
    async with (
        shard_clients(stack.topology, stack.credentials) as clients,
        cluster.taken(clients) as taken,
    ):
        _refuse_differences(taken.slot_map, await taken.tell_all())
        if name not in taken.slot_map.uris:
            grown = planning.with_shard(taken.slot_map, name, uri)
            await catalogue.publish(clients[name][CLUSTER], grown)
            await taken.change(grown)
        return await _told(taken)


async def _told(taken: Cluster) -> SlotMap:
    if silent := await taken.tell_all():
        raise OpsError(f"these shards do not answer, so do it again later: {', '.join(silent)}")
    return taken.slot_map
