"""The collections that the chassis keeps in every service's database."""

from collections.abc import Iterable
from typing import Final

from pymongo import ASCENDING, AsyncMongoClient, IndexModel

from chassis.mongo.documents import Document
from chassis.mongo.provision import CollectionSpec, create_collections
from chassis.sharding.idempotency_store import IDEMPOTENCY_COLLECTION
from chassis.sharding.inbox import INBOX_COLLECTION
from chassis.sharding.outbox import OUTBOX_COLLECTION

_DAY_S: Final = 24 * 60 * 60

CHASSIS_COLLECTIONS: Final = (
    CollectionSpec(OUTBOX_COLLECTION),
    CollectionSpec(
        INBOX_COLLECTION,
        indexes=(IndexModel([("time", ASCENDING)], name="expiry", expireAfterSeconds=7 * _DAY_S),),
    ),
    CollectionSpec(
        IDEMPOTENCY_COLLECTION,
        indexes=(IndexModel([("time", ASCENDING)], name="expiry", expireAfterSeconds=_DAY_S),),
    ),
    CollectionSpec("relay_positions", sharded=False, slot_field=None),
    CollectionSpec("leases", sharded=False, slot_field=None),
)
"""`idempotency` expires by the time of the first try. `relay_positions` and `leases` are the relay's."""


async def provision_collections(
    client: AsyncMongoClient[Document], database: str, collections: Iterable[CollectionSpec]
) -> None:
    """Make what `collections` and the chassis declare, on one shard; see `create_collections`."""
    await create_collections(client, database, (*collections, *CHASSIS_COLLECTIONS))
