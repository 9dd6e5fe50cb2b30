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
"""The collections of every service.

Rows of `idempotency` expire by the time of their first run; `relay_positions` and `leases` belong to the
relay.
"""


async def provision_collections(
    client: AsyncMongoClient[Document], database: str, collections: Iterable[CollectionSpec]
) -> None:
    """Create the collections of the service and the chassis on one shard; see `create_collections`."""
    await create_collections(client, database, (*collections, *CHASSIS_COLLECTIONS))
