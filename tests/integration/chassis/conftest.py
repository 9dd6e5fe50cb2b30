"""A database and a key space of this run's own on the stack under test."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from redis.asyncio.cluster import RedisCluster

from chassis.ids import new_id
from chassis.messaging import IncomingEvent
from chassis.mongo.provision import CollectionSpec
from chassis.redis.client import connect_redis
from chassis.sharding.chassis_collections import provision_collections
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap
from devstack import mongo
from tests.stack import StackHandle
from tests.targeting import TargetedQueryGuard

THINGS_COLLECTION = CollectionSpec("things", shard_key="_id", slot_field=None)


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    return StackHandle.under_test()


@pytest.fixture(scope="session")
async def database(stack: StackHandle) -> AsyncIterator[str]:
    """Yield shards with a provisioned database on each, dropped afterwards."""
    name = f"ic_test_{secrets.token_hex(4)}"
    clients: list[AsyncMongoClient[dict[str, Any]]] = [
        AsyncMongoClient(uri) for uri in stack.admin_uris().values()
    ]
    for client in clients:
        await provision_collections(client, name, (THINGS_COLLECTION,))
    yield name
    for client in clients:
        await client.drop_database(name)
        await client.close()


@pytest.fixture
def guard() -> TargetedQueryGuard:
    return TargetedQueryGuard(allowed={"counted"})


@pytest.fixture
async def shards(stack: StackHandle, database: str, guard: TargetedQueryGuard) -> AsyncIterator[Shards]:
    shards = Shards(
        SlotMap.load(stack.topology.slot_map_file),
        database,
        mongo.ADMIN_USER,
        stack.credentials.mongo_admin_password,
        listeners=(guard,),
    )
    yield shards
    await shards.close()


@pytest.fixture
async def redis(stack: StackHandle) -> AsyncIterator[RedisCluster]:
    nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
    redis = connect_redis(nodes, stack.credentials.redis_password)
    yield redis
    await redis.aclose()


@pytest.fixture
def stopped(stack: StackHandle) -> Iterator[Callable[[str], None]]:
    with stack.outages() as stop:
        yield stop


def event_about(subject: str, queue: str = "q") -> IncomingEvent:
    """Return an event as it arrives on a queue."""
    return IncomingEvent(
        event_id=new_id("evt"),
        type="auth.user.verified",
        source="auth",
        subject=subject,
        time=datetime.now(UTC),
        traceparent="",
        queue=queue,
    )
