"""Provisioning: declared collections are there, a second run changes nothing, a difference is reported."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import ASCENDING, AsyncMongoClient, IndexModel
from pymongo.errors import WriteError

from chassis.ids import SLOT_COUNT
from chassis.mongo.provision import CollectionSpec, ProvisionError, is_mongos
from chassis.sharding.chassis_collections import provision_collections
from tests.stack import StackHandle

Client = AsyncMongoClient[dict[str, Any]]


@pytest.fixture
async def client(stack: StackHandle) -> AsyncIterator[Client]:
    async with AsyncMongoClient[dict[str, Any]](stack.admin_uris()["s1"]) as client:
        yield client


@pytest.fixture
async def name(client: Client) -> AsyncIterator[str]:
    name = f"ic_test_{secrets.token_hex(4)}"
    yield name
    await client.drop_database(name)


def declared(**options: Any) -> tuple[CollectionSpec, ...]:
    return (
        CollectionSpec("things", indexes=(IndexModel([("owner", ASCENDING)], name="by_owner", **options),)),
    )


async def test_a_second_run_changes_nothing(client: Client, name: str) -> None:
    await provision_collections(client, name, declared(unique=True))
    before = await client[name]["things"].index_information()
    await provision_collections(client, name, declared(unique=True))

    assert await client[name]["things"].index_information() == before
    assert before["by_owner"]["unique"]
    assert {"outbox", "inbox", "idempotency", "relay_positions", "leases", "things"} == set(
        await client[name].list_collection_names()
    )
    assert (await client[name]["inbox"].index_information())["expiry"]["expireAfterSeconds"] == 604_800


async def test_a_changed_index_is_reported_by_name_and_left_as_it_is(client: Client, name: str) -> None:
    await provision_collections(client, name, declared())

    with pytest.raises(ProvisionError, match=r"index by_owner of .*\.things is not what is declared"):
        await provision_collections(client, name, declared(unique=True))

    assert "unique" not in (await client[name]["things"].index_information())["by_owner"]


async def test_a_changed_lifetime_is_changed_in_place(client: Client, name: str) -> None:
    await provision_collections(client, name, declared(expireAfterSeconds=60))
    await provision_collections(client, name, declared(expireAfterSeconds=90))

    assert (await client[name]["things"].index_information())["by_owner"]["expireAfterSeconds"] == 90


@pytest.mark.parametrize("slot", [{}, {"slot": -1}, {"slot": SLOT_COUNT}, {"slot": "7"}, {"slot": 7.0}])
async def test_a_document_that_does_not_say_its_slot_is_refused(
    client: Client, name: str, slot: dict[str, Any]
) -> None:
    await provision_collections(client, name, declared())
    await client[name]["things"].insert_one({"_id": 1, "slot": SLOT_COUNT - 1})

    with pytest.raises(WriteError, match="failed validation"):
        await client[name]["things"].insert_one({"_id": 2, **slot})
    with pytest.raises(WriteError, match="failed validation"):
        await client[name]["things"].replace_one({"_id": 1}, slot)
    await client[name]["leases"].insert_one(slot)


async def test_a_collection_that_was_made_without_a_validator_gets_it(client: Client, name: str) -> None:
    await client[name].create_collection("things")

    for _ in range(2):
        await provision_collections(client, name, declared())

    with pytest.raises(WriteError, match="failed validation"):
        await client[name]["things"].insert_one({"_id": 1})


async def test_a_replica_set_is_distinguished_from_a_native_sharded_cluster(client: Client) -> None:
    assert not await is_mongos(client)
