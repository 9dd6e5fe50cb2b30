"""Databases of a test's own on the stack's shards, so that the stack's services never see its records."""

import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from google.protobuf.message import Message
from pymongo.monitoring import CommandListener

from chassis.clock import Clock
from chassis.contracts import event_type
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.chassis_collections import provision_collections
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap
from internshipconnect.events.v1.events_pb2 import Event
from tests.stack import StackHandle

M = TypeVar("M", bound=Message)

PATIENCE_S: Final = 30.0
"""On a busy machine a store may not answer for seconds, though no test means it to be down."""


@asynccontextmanager
async def own_databases(
    stack: StackHandle,
    service: str,
    collections: Iterable[CollectionSpec],
    *,
    clock: Clock | None = None,
    listeners: Sequence[CommandListener] = (),
) -> AsyncIterator[Shards]:
    """Yield a provisioned database on each shard, dropped in the end."""
    name = f"ic_{service}_test_{secrets.token_hex(4)}"
    slot_map = SlotMap.load(stack.topology.slot_map_file)
    password = stack.credentials.mongo_admin_password
    shards = Shards(
        slot_map, name, "admin", password, clock=clock, listeners=listeners, patience_s=PATIENCE_S
    )
    try:
        for shard in shards.all_shards():
            await provision_collections(shard.db.client, name, collections)
        yield shards
    finally:
        for shard in shards.all_shards():
            await shard.db.client.drop_database(name)
        await shards.close()


async def read_outbox(shards: Shards, kind: type[M], subject: str) -> list[M]:
    """Return the events of one type about one entity that wait in the outbox, oldest first."""
    query = {"type": event_type(kind)}
    rows = await shards.shard_for(subject).db["outbox"].find(query).sort("_id", 1).to_list(None)
    events = [Event.FromString(row["event"]) for row in rows]
    return [_unpacked(event, kind) for event in events if event.subject == subject]


def _unpacked(event: Event, kind: type[M]) -> M:
    message = kind()
    event.data.Unpack(message)
    return message
