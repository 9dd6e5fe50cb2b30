"""A shard that is a native sharded cluster: only where there is a `mongos`, which no wheel brings."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient, CursorType

from chassis.ids import SLOT_COUNT
from chassis.mongo.provision import is_mongos
from chassis.sharding import slot_map_store
from chassis.sharding.chassis_collections import CHASSIS_COLLECTIONS, provision_collections
from chassis.sharding.slot_map import SlotMap
from devstack import mongo
from ops.provision import declared_collections
from ops.service_names import service_database
from ops.shards import addresses
from tests import mongods
from tests.waiting import WAIT_TIMEOUT_S

ROUTER = mongods.mongos()
PASSWORD = "of-this-test-alone"

pytestmark = pytest.mark.skipif(ROUTER is None, reason="there is no mongos on the PATH or in MONGOS")

Client = AsyncMongoClient[dict[str, Any]]


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[Client]:
    with mongods.sharded_cluster(tmp_path, str(ROUTER), PASSWORD) as address:
        async with Client(addresses.add_login_to_uri(address, mongo.ADMIN_USER, PASSWORD)) as client:
            yield client


async def test_every_declared_collection_is_sharded_by_its_key_and_the_slot_map_is_followed(
    router: Client,
) -> None:
    expected: dict[str, dict[str, str]] = {}
    for service, own in declared_collections().items():
        database = service_database(service)
        for _ in range(2):
            await provision_collections(router, database, own)
        expected |= {
            f"{database}.{spec.name}": {spec.shard_key: "hashed"}
            for spec in (*own, *CHASSIS_COLLECTIONS)
            if spec.sharded
        }
    ours = {"_id": {"$regex": "^ic_"}}
    sharded = await router["config"]["collections"].find(ours).to_list(None)
    assert {row["_id"]: row["key"] for row in sharded} == expected
    assert await is_mongos(router)

    first = SlotMap(1, {"s1": "mongodb://s1"}, ("s1",) * SLOT_COUNT)
    await slot_map_store.provision_slot_maps({"s1": router}, first)
    changes = router[slot_map_store.CLUSTER_DATABASE][slot_map_store.CHANGES_COLLECTION]
    assert (await changes.options())["capped"]
    async with (
        asyncio.timeout(WAIT_TIMEOUT_S),
        changes.find({}, cursor_type=CursorType.TAILABLE_AWAIT) as waiting,
    ):
        assert await waiting.next()
