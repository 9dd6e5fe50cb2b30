"""The application service on the stack's real shards, with peers that answer over real gRPC."""

import secrets
from collections.abc import AsyncIterator

import pytest

from chassis.mongo.provision import provision
from chassis.mongo.shards import Shards
from chassis.mongo.slots import SlotMap
from services.application.store import COLLECTIONS
from tests.integration.application.watch import Commands
from tests.integration.application.world import InternshipService, UserService, World, peers_of
from tests.stack import Stack


@pytest.fixture(scope="session")
def commands() -> Commands:
    """What was sent to MongoDB."""
    return Commands()


@pytest.fixture(scope="session")
async def shards(commands: Commands) -> AsyncIterator[Shards]:
    """A database of this run's own on every shard."""
    stack = Stack.under_test()
    slot_map = SlotMap.load(stack.topology.slot_map)
    name = f"ic_test_{secrets.token_hex(4)}"
    shards = Shards(slot_map, name, "admin", stack.credentials.mongo_admin_password, listeners=[commands])
    for shard in shards.all():
        await provision(shard.db.client, name, COLLECTIONS)
    yield shards
    for shard in shards.all():
        await shard.db.client.drop_database(name)
    await shards.close()


@pytest.fixture
async def world(shards: Shards) -> AsyncIterator[World]:
    """Everything of the service, a clock that stands still, and peers with data of the test."""
    internships, users = InternshipService(), UserService()
    async with peers_of(internships, users) as peers:
        yield World.on(shards, peers, internships, users)
