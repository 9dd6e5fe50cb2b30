"""Measures the size of records on a running cluster, by MongoDB's `collStats`."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

import yaml
from pymongo.errors import PyMongoError

from chassis.sharding.chassis_collections import CHASSIS_COLLECTIONS
from ops.capacity.tables import RecordTable
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.provision import AdminClient, declared_collections, open_admin_clients
from ops.service_names import service_database
from ops.shards import addresses

STATS_TIMEOUT_MS: Final = 20_000
MIN_RECORDS: Final = 200
"""Below this number the pages that a collection takes say little of its records."""
MEASURED: Final = "measured"
MEASURED_FEW: Final = "measured, few records"
EARLIER: Final = ", earlier"


@dataclass(frozen=True)
class RecordSize:
    """The mean size of a collection's records, in bytes.

    `document_bytes` is before compression, `stored_bytes` on disk, `index_bytes` of all its indexes.
    """

    records: int
    document_bytes: int
    stored_bytes: int
    index_bytes: int


def measure_record_sizes(cluster: Cluster) -> dict[str, RecordSize]:
    """Return by `service.collection` the size of its records, over all shards; without empty ones.

    Raises:
        OpsError: a shard does not answer.
    """
    return asyncio.run(_measure_record_sizes(cluster))


def merge_collection_stats(stats: Iterable[Mapping[str, Any]]) -> RecordSize | None:
    """Return the size of a collection's records, from its `collStats` on each shard; None without records."""
    parts = list(stats)
    records = sum(int(part.get("count", 0)) for part in parts)
    if not records:
        return None
    total = (sum(int(part[key]) for part in parts) for key in ("size", "storageSize", "totalIndexSize"))
    return RecordSize(records, *(round(size / records) for size in total))


def render_record_sizes(
    sizes: Mapping[str, RecordSize], source: str, measured_on: date, earlier: RecordTable
) -> str:
    """Return the sizes as a table of records in YAML, in the format of `tables/records.yaml`.

    Collections without records keep their sizes of the `earlier` table, and say so.
    """
    rows: dict[str, dict[str, Any]] = {
        name: asdict(size) | {"basis": MEASURED if size.records >= MIN_RECORDS else MEASURED_FEW}
        for name, size in sizes.items()
    }
    for name, row in earlier.collections.items():
        basis = row.basis if row.basis.endswith(EARLIER) else row.basis + EARLIER
        rows.setdefault(name, row.model_dump() | {"basis": basis})
    content = {"measured_on": measured_on, "source": source, "collections": dict(sorted(rows.items()))}
    return yaml.safe_dump(content, sort_keys=False, width=110)


async def _measure_record_sizes(cluster: Cluster) -> dict[str, RecordSize]:
    async with open_admin_clients(cluster, STATS_TIMEOUT_MS) as clients:
        for shard in cluster.shards:
            try:
                await clients[shard.name].admin.command("fsync")
            except PyMongoError as error:
                raise OpsError(addresses.describe_unreachable_shard(shard, error)) from error
        names = [
            (service, spec.name)
            for service, own in declared_collections(cluster.services).items()
            for spec in (*own, *CHASSIS_COLLECTIONS)
        ]
        found = {
            f"{service}.{name}": merge_collection_stats(await _read_stats(clients, service, name))
            for service, name in names
        }
    return {name: size for name, size in found.items() if size is not None}


async def _read_stats(
    clients: Mapping[str, AdminClient], service: str, collection: str
) -> list[Mapping[str, Any]]:
    try:
        return [
            await client[service_database(service)].command("collStats", collection)
            for client in clients.values()
        ]
    except PyMongoError as error:
        raise OpsError(f"collStats of {service}.{collection} failed: {error}") from error
