"""One more shard for a running stack: servers that are started for it, or that are there already."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from pymongo.errors import PyMongoError

from chassis.mongo import catalogue, planning
from chassis.mongo.catalogue import CLUSTER
from chassis.mongo.slots import SlotMap
from ops.errors import OpsError
from ops.stack import addresses, lifecycle, mongo
from ops.stack.lifecycle import Stack
from ops.stack.newcomers import refuse_unfit
from ops.stack.provision import ShardClient, make_collections, shard_clients
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
        return asyncio.run(_enter(stack, name, shard.uri))


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


@contextmanager
def _plans() -> Iterator[None]:
    try:
        yield
    except planning.PlanError as error:
        raise OpsError(str(error)) from error


async def _state_of(stack: Stack) -> tuple[SlotMap, list[str]]:
    async with shard_clients(stack.topology, stack.credentials) as clients:
        return await _state(clients)


async def _state(clients: Mapping[str, ShardClient]) -> tuple[SlotMap, list[str]]:
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
    if behind:
        names = ", ".join(behind)
        raise OpsError(f"not the slot map of version {slot_map.version}: {names}; see: ic shards verify")


async def _enter(stack: Stack, name: str, uri: str) -> SlotMap:
    """The new shard knows of itself before anybody else does; the first of the others decides a race."""
    async with shard_clients(stack.topology, stack.credentials) as clients:
        slot_map, behind = await _state(clients)
        if name not in slot_map.uris:
            _refuse_differences(slot_map, behind)
            first = next(iter(slot_map.uris))
            before, slot_map = slot_map, planning.with_shard(slot_map, name, uri)
            await catalogue.publish(clients[name][CLUSTER], slot_map)
            if not await catalogue.exchange(clients[first][CLUSTER], before, slot_map):
                raise OpsError("somebody else has changed the slot map at this moment; try again")
        for each in slot_map.uris:
            await catalogue.publish(clients[each][CLUSTER], slot_map)
        return slot_map
