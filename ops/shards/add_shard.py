"""One more shard for a running stack, started for it or there already, and shards at other addresses."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from pymongo.errors import PyMongoError

from chassis.sharding import rebalance, slot_map_store
from chassis.sharding.slot_map import SlotMap
from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from devstack import lifecycle, mongo
from devstack.lifecycle import Stack
from devstack.topology import Topology
from devstack.topology_parts import StackShard
from ops.errors import OpsError
from ops.migration import slot_map_editor
from ops.migration.slot_map_editor import SlotMapEditor
from ops.progress import StepProgress
from ops.provision import AdminClient, open_admin_clients, provision_collections
from ops.shards import addresses
from ops.shards.checks import require_same_servers, require_unknown_servers, require_usable_shard
from ops.shards.status import read_slot_map_copies


def add_shard(found: Topology, name: str, address: str, steps: StepProgress) -> SlotMap:
    """Prepares one more shard and adds it to the slot map, with no slots; may be repeated.

    Without an address its servers are started. With one they are there already, with the administrator's
    user of the stack.

    Raises:
        OpsError: the name, the address or what is found there cannot be taken, the stack has no room for
            more, or a shard does not answer.
    """
    with_it = _with_new_shard(found, name, address and addresses.normalise_shard_uri(address))
    stack = Stack.of(with_it)
    shard = next(shard for shard in with_it.shards if shard.name == name)
    if shard.address:
        with steps.step(f"look at {addresses.shard_hosts(shard.uri)}"):
            asyncio.run(_check_new_shard(stack, shard))
    with_it.save()
    _prepare_shard(stack, shard, steps)
    with steps.step("collections and indexes"):
        provision_collections(with_it, stack.credentials)
    with steps.step("slot map"):
        return _save_slot_map(with_it, asyncio.run(_record_shard(stack, name, shard.uri)))


def readdress_shard(found: Topology, name: str, address: str, steps: StepProgress) -> SlotMap:
    """Has everybody reach a shard at another address from now on; may be repeated.

    Raises:
        OpsError: there is no such shard, or what is at the address does not hold its data, or a shard does
            not answer.
    """
    address = addresses.normalise_shard_uri(address)
    if found.shard(name) is None:
        raise OpsError(
            f"there is no shard '{name}'; there are: {', '.join(one.name for one in found.shards)}"
        )
    moved = found.with_address(name, address)
    stack = Stack.of(moved)
    with steps.step(f"look at {addresses.shard_hosts(address)}"):
        asyncio.run(_check_new_address(Stack.of(found), stack, name))
    moved.save()
    with steps.step("slot map"):
        return _save_slot_map(moved, asyncio.run(_record_address(stack, name, address)))


def _save_slot_map(topology: Topology, slot_map: SlotMap) -> SlotMap:
    """Processes that start ask the shards first at the addresses in the file."""
    topology.slot_map.write_text(json.dumps(slot_map.to_document(), indent=2))
    return slot_map


def _prepare_shard(stack: Stack, shard: StackShard, steps: StepProgress) -> None:
    prepare = partial(mongo.prepare_shards, stack.topology, stack.credentials)
    if not shard.ports:
        with steps.step("users"):
            prepare()
        return
    mongo.write_mongod_files(stack.topology, stack.credentials)
    members = [stack.process(mongo.mongod_process_name(shard, member)) for member in range(len(shard.ports))]
    lifecycle.add_stores(stack, members, prepare, steps)


def _with_new_shard(found: Topology, name: str, address: str) -> Topology:
    """The topology with the new shard, all checked before anything is touched."""
    if found.faults and not address:
        raise OpsError("a stack that was made with --faults keeps its shards: its proxy knows no others")
    slot_map, behind = asyncio.run(_read_slot_map(Stack.of(found)))
    if name in slot_map.uris and behind and address in ("", slot_map.uris[name]):
        return found
    _require_agreement(slot_map, behind)
    with _translate_plan_errors():
        rebalance.with_shard(slot_map, name, address)
    for shard in found.shards:
        if shard.name not in slot_map.uris and (shard.name, shard.address) != (name, address):
            begun = f"{shard.name} {shard.address}".rstrip()
            raise OpsError(f"first finish what was begun: ic shards add {begun}")
    return found.with_shard(name, address)


async def _check_new_shard(stack: Stack, shard: StackShard) -> None:
    async with open_admin_clients(stack.topology, stack.credentials) as clients:
        known = {name: client for name, client in clients.items() if name != shard.name}
        slot_map, _ = await _read_agreed_slot_map(known)
        try:
            await require_usable_shard(shard, clients[shard.name], known, slot_map)
        except PyMongoError as error:
            raise OpsError(mongo.describe_unreachable_shard(shard, error)) from error


async def _check_new_address(before: Stack, after: Stack, name: str) -> None:
    """The shard at its new address holds the newest slot map, and what is at the old one is no other."""
    async with (
        open_admin_clients(before.topology, before.credentials) as old,
        open_admin_clients(after.topology, after.credentials) as new,
    ):
        shard = next(shard for shard in after.topology.shards if shard.name == name)
        known = {other: client for other, client in new.items() if other != name}
        try:
            await require_unknown_servers(shard, new[name], known)
        except PyMongoError as error:
            raise OpsError(mongo.describe_unreachable_shard(shard, error)) from error
        slot_map, behind = await _read_agreed_slot_map(new)
        if slot_map.uris.get(name) != shard.uri:
            _require_agreement(slot_map, behind)
        await require_same_servers(shard, new[name], old[name])


async def _record_address(stack: Stack, name: str, uri: str) -> SlotMap:
    async with (
        open_admin_clients(stack.topology, stack.credentials) as clients,
        slot_map_editor.edit_slot_map(clients) as taken,
    ):
        _require_agreement(taken.slot_map, await taken.tell_all())
        if taken.slot_map.uris[name] != uri:
            with _translate_plan_errors():
                await taken.change(rebalance.with_address(taken.slot_map, name, uri))
        return await _publish_to_all_shards(taken)


@contextmanager
def _translate_plan_errors() -> Iterator[None]:
    try:
        yield
    except rebalance.SlotMapChangeError as error:
        raise OpsError(str(error)) from error


async def _read_slot_map(stack: Stack) -> tuple[SlotMap, list[str]]:
    async with open_admin_clients(stack.topology, stack.credentials) as clients:
        return await _read_agreed_slot_map(clients)


async def _read_agreed_slot_map(clients: Mapping[str, AdminClient]) -> tuple[SlotMap, list[str]]:
    """The newest map, and its shards that do not hold it. Raises OpsError when one does not answer."""
    copies, errors = await read_slot_map_copies(clients)
    slot_map = slot_map_store.newest_slot_map(copies)
    if slot_map is None:
        raise OpsError("no shard holds a slot map: " + "; ".join(errors.values()))
    for name in slot_map.uris:
        if name in errors:
            raise OpsError(f"every shard has to take part, and {name} does not: {errors[name]}")
    return slot_map, [name for name in slot_map.uris if copies.get(name) != slot_map]


def _require_agreement(slot_map: SlotMap, behind: list[str]) -> None:
    if slot_map.moving:
        raise OpsError("slots are on their way between shards; finish that first: ic shards move --resume")
    if behind:
        names = ", ".join(behind)
        raise OpsError(f"not the slot map of version {slot_map.version}: {names}; see: ic shards verify")


async def _record_shard(stack: Stack, name: str, uri: str) -> SlotMap:
    """The new shard knows of itself before anybody else does."""
    async with (
        open_admin_clients(stack.topology, stack.credentials) as clients,
        slot_map_editor.edit_slot_map(clients) as taken,
    ):
        _require_agreement(taken.slot_map, await taken.tell_all())
        if name not in taken.slot_map.uris:
            grown = rebalance.with_shard(taken.slot_map, name, uri)
            await slot_map_store.publish_slot_map(clients[name][CLUSTER_DATABASE], grown)
            await taken.change(grown)
        return await _publish_to_all_shards(taken)


async def _publish_to_all_shards(taken: SlotMapEditor) -> SlotMap:
    if silent := await taken.tell_all():
        raise OpsError(f"these shards do not answer, so do it again later: {', '.join(silent)}")
    return taken.slot_map
