"""The catalogue: each shard's own copy of the slot map, and the processes that have confirmed it.

Every shard holds in its database `ic_cluster`:

- `slot_map`: one document, this shard's copy. It alone determines which slots the shard owns, and which of
  them are fenced, so that writes do not depend on another shard. A process uses the map with the highest
  version of all shards.
- `slot_map_changes`: a short, capped collection that processes tail. A change stream would wake each of them
  for every write to the shard.
- `members`: a row for each process, with the version of this copy that it has confirmed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pymongo import ASCENDING, AsyncMongoClient, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from chassis.mongo.documents import Document, from_document
from chassis.mongo.provision import NAMESPACE_EXISTS_CODE, CollectionSpec, create_collections
from chassis.sharding.slot_map import SlotMap

CLUSTER_DATABASE: Final = "ic_cluster"
SLOT_MAP_COLLECTION: Final = "slot_map"
CHANGES_COLLECTION: Final = "slot_map_changes"
MEMBERS_COLLECTION: Final = "members"
MEMBER_TTL_S: Final = 60

CLUSTER_COLLECTIONS: Final = (
    CollectionSpec(SLOT_MAP_COLLECTION, sharded=False, slot_field=None),
    CollectionSpec(
        MEMBERS_COLLECTION,
        indexes=(IndexModel([("time", ASCENDING)], name="expiry", expireAfterSeconds=MEMBER_TTL_S),),
        sharded=False,
        slot_field=None,
    ),
)
_SLOT_MAP_KEY: Final = {"_id": "slot_map"}
_MAX_CHANGES_BYTES: Final = 4096
_MAX_CHANGES: Final = 16
_MAX_MEMBERS: Final = 100_000

ClusterDatabase = AsyncDatabase[Document]


@dataclass(frozen=True, slots=True)
class ClusterMember:
    """A process that writes to a shard, and the version of the shard's copy that it has confirmed."""

    id: str
    service: str
    role: str
    version: int
    time: datetime


async def provision_slot_maps(
    clients: Mapping[str, AsyncMongoClient[Document]], initial: SlotMap, cluster: str = CLUSTER_DATABASE
) -> None:
    """Create the catalogue on these shards where it is missing; an existing copy is left as it is.

    A shard without a copy gets the newest that another one has, or `initial` when there is none at all.
    """
    for client in clients.values():
        await create_collections(client, cluster, CLUSTER_COLLECTIONS)
        await _create_changes_collection(client[cluster])
    copies = {name: await read_slot_map(client[cluster]) for name, client in clients.items()}
    slot_map = newest_slot_map({name: copy for name, copy in copies.items() if copy is not None}) or initial
    for name, copy in copies.items():
        if copy is None:
            await publish_slot_map(clients[name][cluster], slot_map)


async def _create_changes_collection(database: ClusterDatabase) -> None:
    """Create the capped collection of changes with one entry: an empty one cannot be tailed."""
    try:
        await database.create_collection(
            CHANGES_COLLECTION, check_exists=False, capped=True, size=_MAX_CHANGES_BYTES, max=_MAX_CHANGES
        )
    except OperationFailure as error:
        if error.code != NAMESPACE_EXISTS_CODE:
            raise
    if await database[CHANGES_COLLECTION].find_one({}) is None:
        await database[CHANGES_COLLECTION].insert_one({"version": 0})


async def read_slot_map_version(database: ClusterDatabase) -> int | None:
    """Return the version of the shard's copy; None when there is none."""
    found = await _majority_slot_maps(database).find_one(_SLOT_MAP_KEY, {"version": True})
    return None if found is None else int(found["version"])


async def read_slot_map(database: ClusterDatabase) -> SlotMap | None:
    """Return the shard's copy; None when there is none. Raises ValueError when it is invalid."""
    found = await _majority_slot_maps(database).find_one(_SLOT_MAP_KEY)
    return None if found is None else SlotMap.from_document(found)


async def publish_slot_map(database: ClusterDatabase, slot_map: SlotMap) -> bool:
    """Replace the shard's copy if the map is newer; return whether it was replaced."""
    return await _write_slot_map(database, slot_map, {"version": {"$lt": slot_map.version}}, upsert=True)


async def replace_slot_map(
    database: ClusterDatabase, old: SlotMap, new: SlotMap, session: AsyncClientSession | None = None
) -> bool:
    """Replace the map `old` by `new`, which was made from it; return False when `old` is not stored any more.

    Within a transaction of `session` no process is woken: `notify_slot_map_change` has to follow its commit.
    """
    return await _write_slot_map(database, new, {"version": old.version}, upsert=False, session=session)


async def notify_slot_map_change(database: ClusterDatabase, version: int) -> None:
    """Wake the processes that tail the changes of the shard's copy; others read it within two seconds."""
    changes = database[CHANGES_COLLECTION].with_options(write_concern=WriteConcern(1))
    await changes.insert_one({"version": version})


async def _write_slot_map(
    database: ClusterDatabase,
    slot_map: SlotMap,
    where: Document,
    *,
    upsert: bool,
    session: AsyncClientSession | None = None,
) -> bool:
    maps = database[SLOT_MAP_COLLECTION]
    if session is None:
        maps = maps.with_options(write_concern=WriteConcern("majority"))
    document = _SLOT_MAP_KEY | slot_map.to_document()
    try:
        result = await maps.replace_one(_SLOT_MAP_KEY | where, document, upsert=upsert, session=session)
    except DuplicateKeyError:
        return False
    if not (result.matched_count or result.upserted_id):
        return False
    if session is None:
        await notify_slot_map_change(database, slot_map.version)
    return True


async def announce_member(
    database: ClusterDatabase, member_id: str, service: str, role: str, version: int
) -> None:
    """Record on the shard that this process runs, and which version it has confirmed."""
    row = {"service": service, "role": role, "version": version, "time": "$$NOW"}
    await database[MEMBERS_COLLECTION].update_one({"_id": member_id}, [{"$set": row}], upsert=True)


async def withdraw_member(database: ClusterDatabase, member_id: str) -> None:
    """Record on the shard that this process has ended."""
    await database[MEMBERS_COLLECTION].delete_one({"_id": member_id})


async def list_members(database: ClusterDatabase) -> list[ClusterMember]:
    """Return the processes that have announced themselves in the last minute or two."""
    rows = await database[MEMBERS_COLLECTION].find({}).sort("_id", ASCENDING).to_list(_MAX_MEMBERS)
    return [from_document(ClusterMember, row) for row in rows]


async def list_lagging_members(database: ClusterDatabase, version: int) -> list[ClusterMember]:
    """Return the processes that may still write by an older copy: those with a row that is not outdated."""
    alive = {"$gt": ["$time", {"$subtract": ["$$NOW", MEMBER_TTL_S * 1000]}]}
    rows = (
        await database[MEMBERS_COLLECTION]
        .find({"version": {"$lt": version}, "$expr": alive})
        .to_list(_MAX_MEMBERS)
    )
    return [from_document(ClusterMember, row) for row in rows]


def newest_slot_map(copies: Mapping[str, SlotMap]) -> SlotMap | None:
    """Return the map with the highest version of all copies; None without any."""
    return max(copies.values(), key=lambda copy: copy.version, default=None)


def _majority_slot_maps(database: ClusterDatabase) -> AsyncCollection[Document]:
    return database[SLOT_MAP_COLLECTION].with_options(read_concern=ReadConcern("majority"))
