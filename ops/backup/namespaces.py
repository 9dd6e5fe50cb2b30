"""The collections of a backup: those of the services whose documents have a slot.

Positions and leases of relays mean nothing on other servers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chassis.mongo.provision import CollectionSpec
from chassis.sharding.chassis_collections import CHASSIS_COLLECTIONS
from ops.migration.batch import Namespace
from ops.provision import AdminClient, declared_collections
from ops.service_names import service_database

SELECTION_TIMEOUT_MS: Final = 30_000
"""Longer than an election takes: a backup and a restore go on with the next primary."""
_SYSTEM_PREFIX: Final = "system."


@dataclass(frozen=True)
class ShardSource:
    """A shard that is backed up: its collections, on its primary or secondaries."""

    name: str
    client: AdminClient
    namespaces: tuple[Namespace, ...]


def declared_specs(services: Iterable[str]) -> dict[Namespace, CollectionSpec]:
    """Return every declared collection of these services, with those of the chassis."""
    return {
        Namespace(service_database(service), spec.name): spec
        for service, own in declared_collections(services).items()
        for spec in (*own, *CHASSIS_COLLECTIONS)
    }


def backed_up_namespaces(services: Iterable[str]) -> list[Namespace]:
    """Return the declared collections whose documents belong to a slot."""
    return [each for each, spec in declared_specs(services).items() if spec.slot_field is not None]


async def find_undeclared(client: AdminClient, services: Iterable[str]) -> list[Namespace]:
    """Return the collections of a shard in the services' databases that no service declares."""
    declared = declared_specs(services)
    found: list[Namespace] = []
    for database in sorted({each.database for each in declared}):
        names = sorted(await client[database].list_collection_names())
        found += [Namespace(database, name) for name in names if not name.startswith(_SYSTEM_PREFIX)]
    return [each for each in found if each not in declared]


def parse_namespace(name: str) -> Namespace:
    """Return the collection that is named `database.collection`."""
    database, _, collection = name.partition(".")
    return Namespace(database, collection)
