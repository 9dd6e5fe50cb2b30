"""The catalogue: each shard's own copy of the slot map, and the processes that have confirmed it.

Every shard holds in its database `ic_cluster`:

- `slot_map`: one document, this shard's copy. It alone says which slots the shard holds, and which of them
  are fenced, so that nobody's writes depend on another shard. A process takes the highest version that it
  sees on any shard as the map to go by.
- `slot_map_changes`: a short, capped list that processes wait at. A change stream would wake each of them
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
from chassis.mongo.provision import NAMESPACE_EXISTS, CollectionSpec, make_collections
from chassis.mongo.slots import SlotMap

CLUSTER: Final = "ic_cluster"
SLOT_MAP: Final = "slot_map"
CHANGES: Final = "slot_map_changes"
MEMBERS: Final = "members"
MEMBERS_KEPT_S: Final = 60

CATALOGUE: Final = (
    CollectionSpec(SLOT_MAP, sharded=False, slot_field=None),
    CollectionSpec(
        MEMBERS,
        indexes=(IndexModel([("time", ASCENDING)], name="expiry", expireAfterSeconds=MEMBERS_KEPT_S),),
        sharded=False,
        slot_field=None,
    ),
)
_COPY: Final = {"_id": "slot_map"}
_CHANGES_BYTES: Final = 4096
_MOST_CHANGES: Final = 16
_MOST_MEMBERS: Final = 100_000

Database = AsyncDatabase[Document]


@dataclass(frozen=True, slots=True)
class Member:
    """A process that writes to a shard, and the version of the shard's copy that it has confirmed."""

    id: str
    service: str
    role: str
    version: int
    time: datetime


async def provision(
    clients: Mapping[str, AsyncMongoClient[Document]], first: SlotMap, cluster: str = CLUSTER
) -> None:
    """Makes the catalogue on these shards where it is missing; a copy that is there is left alone.

    A shard without a copy gets the newest that another one has, and `first` when there is none at all.
    """
    for client in clients.values():
        await make_collections(client, cluster, CATALOGUE)
        await _make_changes(client[cluster])
    copies = {name: await copy_of(client[cluster]) for name, client in clients.items()}
    slot_map = newest({name: copy for name, copy in copies.items() if copy is not None}) or first
    for name, copy in copies.items():
        if copy is None:
            await publish(clients[name][cluster], slot_map)


async def _make_changes(database: Database) -> None:
    """Makes the list that processes wait at; nobody can wait at an empty one, so it begins with an entry."""
    try:
        await database.create_collection(
            CHANGES, check_exists=False, capped=True, size=_CHANGES_BYTES, max=_MOST_CHANGES
        )
    except OperationFailure as error:
        if error.code != NAMESPACE_EXISTS:
            raise
    if await database[CHANGES].find_one({}) is None:
        await database[CHANGES].insert_one({"version": 0})


async def version_of(database: Database) -> int | None:
    """The version of the shard's copy; None when there is none."""
    found = await _read(database).find_one(_COPY, {"version": True})
    return None if found is None else int(found["version"])


async def copy_of(database: Database) -> SlotMap | None:
    """The shard's copy; None when there is none. Raises ValueError when it is not as it should be."""
    found = await _read(database).find_one(_COPY)
    return None if found is None else SlotMap.read(found)


async def publish(database: Database, slot_map: SlotMap) -> bool:
    """Makes the map the shard's copy, unless that is as new or newer; whether it did."""
    return await _write(database, slot_map, {"version": {"$lt": slot_map.version}}, upsert=True)


async def exchange(
    database: Database, old: SlotMap, new: SlotMap, session: AsyncClientSession | None = None
) -> bool:
    """Puts a map in the place of the one that it was made from; False when that is not there any more.

    Within a transaction of `session` nobody is woken: `notify` has to follow its commit.
    """
    return await _write(database, new, {"version": old.version}, upsert=False, session=session)


async def notify(database: Database, version: int) -> None:
    """Wakes those who wait for a change of the shard's copy; who is not woken looks within two seconds."""
    changes = database[CHANGES].with_options(write_concern=WriteConcern(1))
    await changes.insert_one({"version": version})


async def _write(
    database: Database,
    slot_map: SlotMap,
    where: Document,
    *,
    upsert: bool,
    session: AsyncClientSession | None = None,
) -> bool:
    maps = database[SLOT_MAP]
    if session is None:
        maps = maps.with_options(write_concern=WriteConcern("majority"))
    document = _COPY | slot_map.document()
    try:
        result = await maps.replace_one(_COPY | where, document, upsert=upsert, session=session)
    except DuplicateKeyError:
        return False
    if not (result.matched_count or result.upserted_id):
        return False
    if session is None:
        await notify(database, slot_map.version)
    return True


async def announce(database: Database, member_id: str, service: str, role: str, version: int) -> None:
    """Tells the shard that this process is there, and which version it has confirmed."""
    row = {"service": service, "role": role, "version": version, "time": "$$NOW"}
    await database[MEMBERS].update_one({"_id": member_id}, [{"$set": row}], upsert=True)


async def withdraw(database: Database, member_id: str) -> None:
    """Tells the shard that this process has ended."""
    await database[MEMBERS].delete_one({"_id": member_id})


async def members_of(database: Database) -> list[Member]:
    """The processes that have said that they are there, within a minute or two."""
    rows = await database[MEMBERS].find({}).sort("_id", ASCENDING).to_list(_MOST_MEMBERS)
    return [from_document(Member, row) for row in rows]


async def late_members(database: Database, version: int) -> list[Member]:
    """The processes that may still write by an older copy: an old row's process cannot, it has no lease."""
    alive = {"$gt": ["$time", {"$subtract": ["$$NOW", MEMBERS_KEPT_S * 1000]}]}
    rows = await database[MEMBERS].find({"version": {"$lt": version}, "$expr": alive}).to_list(_MOST_MEMBERS)
    return [from_document(Member, row) for row in rows]


def newest(copies: Mapping[str, SlotMap]) -> SlotMap | None:
    """The map to go by: of all copies the one with the highest version."""
    return max(copies.values(), key=lambda copy: copy.version, default=None)


def _read(database: Database) -> AsyncCollection[Document]:
    return database[SLOT_MAP].with_options(read_concern=ReadConcern("majority"))
