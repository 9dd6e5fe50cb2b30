"""Adding a shard to a running cluster, with started or existing servers, and changing a shard's address."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pymongo.errors import PyMongoError

from chassis.sharding import rebalance, slot_map_store
from chassis.sharding.slot_map import SlotMap
from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from ops.cluster import Cluster, ClusterShard
from ops.errors import OpsError
from ops.migration import slot_map_editor
from ops.migration.slot_map_editor import SlotMapEditor
from ops.progress import StepProgress
from ops.provision import AdminClient, open_admin_clients, provision_collections
from ops.shards import addresses
from ops.shards.checks import require_same_servers, require_unknown_servers, require_usable_shard
from ops.shards.status import read_slot_map_copies
from ops.shards.users import ensure_service_users


def add_shard(cluster: Cluster, name: str, address: str, steps: StepProgress) -> SlotMap:
    """Prepare one more shard and add it to the slot map, without slots; may be repeated.

    Without an address its servers are started. With one they exist already, with the cluster's administrator
    as a user.

    Raises:
        OpsError: the name, the address or the servers there are unusable, the cluster cannot start more, or a
            shard does not answer.
    """
    grown = _with_new_shard(cluster, name, address and addresses.normalise_shard_uri(address))
    shard = _require_shard(grown, name)
    if not shard.is_managed:
        with steps.step(f"look at {addresses.shard_hosts(shard.uri)}"):
            asyncio.run(_check_new_shard(grown, shard))
    grown.save()
    grown.start_shard(name, steps)
    with steps.step("users"):
        ensure_service_users(grown)
    with steps.step("collections and indexes"):
        provision_collections(grown)
    with steps.step("slot map"):
        return _save_slot_map(grown, asyncio.run(_record_shard(grown, name, shard.uri)))


def readdress_shard(cluster: Cluster, name: str, address: str, steps: StepProgress) -> SlotMap:
    """Have all processes reach a shard at another address; may be repeated.

    Raises:
        OpsError: there is no such shard, or the servers at the address do not hold its data, or a shard does
            not answer.
    """
    address = addresses.normalise_shard_uri(address)
    _require_shard(cluster, name)
    moved = cluster.with_shard_uri(name, address)
    with steps.step(f"look at {addresses.shard_hosts(address)}"):
        asyncio.run(_check_new_address(cluster, moved, name))
    moved.save()
    with steps.step("slot map"):
        return _save_slot_map(moved, asyncio.run(_record_address(moved, name, address)))


def set_shard_region(cluster: Cluster, name: str, region: str, steps: StepProgress) -> SlotMap:
    """Put a shard into a region, "" for none: new accounts of the region get slots of its shards.

    May be repeated. Records that are there stay where they are.

    Raises:
        OpsError: there is no such shard, the region is no name, or a shard does not answer.
    """
    _require_shard(cluster, name)
    with steps.step("slot map"):
        return _save_slot_map(cluster, asyncio.run(_record_region(cluster, name, region)))


def _require_shard(cluster: Cluster, name: str) -> ClusterShard:
    for shard in cluster.shards:
        if shard.name == name:
            return shard
    names = ", ".join(shard.name for shard in cluster.shards)
    raise OpsError(f"there is no shard '{name}'; there are: {names}")


def _save_slot_map(cluster: Cluster, slot_map: SlotMap) -> SlotMap:
    cluster.save_slot_map(slot_map)
    return slot_map


def _with_new_shard(cluster: Cluster, name: str, address: str) -> Cluster:
    """Return the cluster with the new shard, after all checks and before any change."""
    grown = cluster.with_shard(name, address)
    slot_map, behind = asyncio.run(_read_slot_map(cluster))
    if name in slot_map.uris and behind and address in ("", slot_map.uris[name]):
        return grown
    _require_agreement(slot_map, behind)
    with _translate_plan_errors():
        rebalance.with_shard(slot_map, name, address)
    for shard in cluster.shards:
        given = "" if shard.is_managed else shard.uri
        if shard.name not in slot_map.uris and (shard.name, given) != (name, address):
            begun = f"{shard.name} {given}".rstrip()
            raise OpsError(f"first finish what was begun: ic shards add {begun}")
    return grown


async def _check_new_shard(cluster: Cluster, shard: ClusterShard) -> None:
    async with open_admin_clients(cluster) as clients:
        known = {name: client for name, client in clients.items() if name != shard.name}
        slot_map, _ = await _read_agreed_slot_map(known)
        try:
            await require_usable_shard(shard, clients[shard.name], known, slot_map)
        except PyMongoError as error:
            raise OpsError(addresses.describe_unreachable_shard(shard, error)) from error


async def _check_new_address(before: Cluster, after: Cluster, name: str) -> None:
    """Raise OpsError unless the new address has the newest slot map, and the old one is the same shard."""
    async with (
        open_admin_clients(before) as old,
        open_admin_clients(after) as new,
    ):
        shard = _require_shard(after, name)
        known = {other: client for other, client in new.items() if other != name}
        try:
            await require_unknown_servers(shard, new[name], known)
        except PyMongoError as error:
            raise OpsError(addresses.describe_unreachable_shard(shard, error)) from error
        slot_map, behind = await _read_agreed_slot_map(new)
        if slot_map.uris.get(name) != shard.uri:
            _require_agreement(slot_map, behind)
        await require_same_servers(shard, new[name], old[name])


async def _record_address(cluster: Cluster, name: str, uri: str) -> SlotMap:
    async with (
        open_admin_clients(cluster) as clients,
        slot_map_editor.edit_slot_map(clients) as editor,
    ):
        _require_agreement(editor.slot_map, await editor.publish_to_all())
        if editor.slot_map.uris[name] != uri:
            with _translate_plan_errors():
                await editor.replace_slot_map(rebalance.with_address(editor.slot_map, name, uri))
        return await _publish_to_all_shards(editor)


async def _record_region(cluster: Cluster, name: str, region: str) -> SlotMap:
    async with (
        open_admin_clients(cluster) as clients,
        slot_map_editor.edit_slot_map(clients) as editor,
    ):
        _require_agreement(editor.slot_map, await editor.publish_to_all())
        if editor.slot_map.regions.get(name, "") != region:
            with _translate_plan_errors():
                await editor.replace_slot_map(rebalance.with_region(editor.slot_map, name, region))
        return await _publish_to_all_shards(editor)


@contextmanager
def _translate_plan_errors() -> Iterator[None]:
    try:
        yield
    except rebalance.SlotMapChangeError as error:
        raise OpsError(str(error)) from error


async def _read_slot_map(cluster: Cluster) -> tuple[SlotMap, list[str]]:
    async with open_admin_clients(cluster) as clients:
        return await _read_agreed_slot_map(clients)


async def _read_agreed_slot_map(clients: Mapping[str, AdminClient]) -> tuple[SlotMap, list[str]]:
    """Return the newest map, and the shards without it. Raises OpsError when one does not answer."""
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


async def _record_shard(cluster: Cluster, name: str, uri: str) -> SlotMap:
    """Add the shard to the slot map, first on the new shard, then on the others."""
    async with (
        open_admin_clients(cluster) as clients,
        slot_map_editor.edit_slot_map(clients) as editor,
    ):
        _require_agreement(editor.slot_map, await editor.publish_to_all())
        if name not in editor.slot_map.uris:
            grown = rebalance.with_shard(editor.slot_map, name, uri)
            await slot_map_store.publish_slot_map(clients[name][CLUSTER_DATABASE], grown)
            await editor.replace_slot_map(grown)
        return await _publish_to_all_shards(editor)


async def _publish_to_all_shards(editor: SlotMapEditor) -> SlotMap:
    if silent := await editor.publish_to_all():
        raise OpsError(f"these shards do not answer, so do it again later: {', '.join(silent)}")
    return editor.slot_map
