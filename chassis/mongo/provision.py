"""Collections with validators and indexes, as a service declares them, created where they are missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pymongo import AsyncMongoClient, IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from chassis.ids import SLOT_COUNT
from chassis.mongo.documents import Document

NAMESPACE_EXISTS_CODE: Final = 48
INDEX_CONFLICT_CODES: Final = frozenset({85, 86})
"""IndexOptionsConflict and IndexKeySpecsConflict: the server compares the definitions itself."""


@dataclass(frozen=True)
class CollectionSpec:
    """A collection: its indexes besides `_id`, and its shard key in a native sharded cluster.

    With `sharded=False` it is not sharded, as collections in which a process stores its own position. Each
    document names its slot in `slot_field`, whatever its ID; where that is None, documents belong to the
    shard itself and never move.
    """

    name: str
    indexes: tuple[IndexModel, ...] = ()
    shard_key: str = "_id"
    sharded: bool = True
    slot_field: str | None = "slot"


class ProvisionError(Exception):
    """The database differs from the declaration in a way that provisioning does not repair."""


async def create_collections(
    client: AsyncMongoClient[Document], database: str, declared: Iterable[CollectionSpec]
) -> None:
    """Create the declared collections on one shard; a second run changes nothing.

    Each collection gets a validator: a document without its slot is refused. An index with another
    `expireAfterSeconds` is changed in place; indexes that are not declared are left as they are. On a
    `mongos` the collections are sharded by their keys.

    Raises:
        ProvisionError: an index exists under the declared name with another definition.
        PyMongoError: the server cannot be reached or refuses.
    """
    sharding = await is_mongos(client)
    listed = await client[database].list_collections()
    existing = {found["name"]: found["options"] async for found in listed}
    for spec in declared:
        await _ensure_collection(client[database], spec, existing)
        if sharding and spec.sharded:
            await _shard_collection(client, database, spec)
        for index in spec.indexes:
            await _ensure_index(client[database][spec.name], index)


async def is_mongos(client: AsyncMongoClient[Document]) -> bool:
    """Return whether the server is a `mongos`, whose own balancer spreads the documents of its slots."""
    return (await client.admin.command("hello")).get("msg") == "isdbgrid"


async def _ensure_collection(
    database: AsyncDatabase[Document], spec: CollectionSpec, existing: Mapping[str, Document]
) -> None:
    validator = _validator(spec)
    if spec.name not in existing:
        try:
            await database.create_collection(spec.name, check_exists=False, validator=validator)
        except OperationFailure as error:
            if error.code != NAMESPACE_EXISTS_CODE:
                raise
    elif existing[spec.name].get("validator", {}) != validator:
        await database.command("collMod", spec.name, validator=validator, validationAction="error")


def _validator(spec: CollectionSpec) -> Document:
    """Return the collection's validator: each document names its slot, or it could not be found."""
    if spec.slot_field is None:
        return {}
    slot = {"bsonType": ["int", "long"], "minimum": 0, "maximum": SLOT_COUNT - 1}
    return {"$jsonSchema": {"required": [spec.slot_field], "properties": {spec.slot_field: slot}}}


async def _shard_collection(client: AsyncMongoClient[Document], database: str, spec: CollectionSpec) -> None:
    key = {spec.shard_key: "hashed"}
    await client.admin.command("shardCollection", f"{database}.{spec.name}", key=key)


async def _ensure_index(collection: AsyncCollection[Document], index: IndexModel) -> None:
    try:
        await collection.create_indexes([index])
    except OperationFailure as error:
        if error.code not in INDEX_CONFLICT_CODES:
            raise
        if not await _change_index_ttl(collection, index):
            raise ProvisionError(_index_conflict_advice(collection, index, error)) from error


async def _change_index_ttl(collection: AsyncCollection[Document], index: IndexModel) -> bool:
    """Set the index's declared lifetime; return False when it still differs from the declaration."""
    name, lifetime_s = index.document["name"], index.document.get("expireAfterSeconds")
    existing = (await collection.index_information()).get(name, {})
    if lifetime_s is None or existing.get("expireAfterSeconds", lifetime_s) == lifetime_s:
        return False
    change = {"name": name, "expireAfterSeconds": lifetime_s}
    await collection.database.command("collMod", collection.name, index=change)
    await _ensure_index(collection, index)
    return True


def _index_conflict_advice(
    collection: AsyncCollection[Document], index: IndexModel, error: OperationFailure
) -> str:
    return (
        f"index {index.document['name']} of {collection.full_name} is not what is declared: {error.args[0]}. "
        "Declare the new one under another name, provision, and drop the old one."
    )
