"""The application service on the stack's real shards, with peers that answer over real gRPC."""

import secrets
from collections.abc import AsyncIterator

import pytest

from chassis.sharding.chassis_collections import provision_collections
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap
from services.application.repository import COLLECTIONS
from tests.integration.application.command_recorder import QueryRecorder
from tests.integration.application.harness import ApplicationHarness
from tests.integration.application.peers import DocumentService, InternshipService, UserService, peers_of
from tests.stack import StackHandle


@pytest.fixture(scope="session")
def commands() -> QueryRecorder:
    """Return the recorder of queries."""
    return QueryRecorder()


@pytest.fixture(scope="session")
async def shards(commands: QueryRecorder) -> AsyncIterator[Shards]:
    """Yield shards with a database of this run's own."""
    stack = StackHandle.under_test()
    slot_map = SlotMap.load(stack.topology.slot_map_file)
    name = f"ic_test_{secrets.token_hex(4)}"
    shards = Shards(slot_map, name, "admin", stack.credentials.mongo_admin_password, listeners=[commands])
    for shard in shards.all_shards():
        await provision_collections(shard.db.client, name, COLLECTIONS)
    yield shards
    for shard in shards.all_shards():
        await shard.db.client.drop_database(name)
    await shards.close()


@pytest.fixture
async def world(shards: Shards) -> AsyncIterator[ApplicationHarness]:
    """Yield the service with a clock that stands still, and peers with data of the test."""
    internships, users, document_service = InternshipService(), UserService(), DocumentService()
    async with peers_of(internships, users, document_service) as peers:
        yield ApplicationHarness.on(shards, peers, internships, users, document_service)
