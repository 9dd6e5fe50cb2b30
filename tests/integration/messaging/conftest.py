"""A virtual host and databases of this run's own, so that the services of the stack never see its events."""

import asyncio
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from chassis.ids import new_id, slot_of
from chassis.messaging.publisher import EventPublisher
from chassis.messaging.relay import DEFAULT_RELAY_POLICY, OutboxRelay, RelayPolicy
from chassis.sharding import outbox
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap
from devstack import rabbit
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.stack import StackHandle


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    return StackHandle.under_test()


@pytest.fixture(scope="session")
def amqp_url(stack: StackHandle) -> Iterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    _rabbitmqctl(stack, "add_vhost", name)
    _rabbitmqctl(stack, "set_permissions", "-p", name, rabbit.RABBIT_USER, ".*", ".*", ".*")
    yield stack.amqp_url.rpartition("/")[0] + f"/{name}"
    _rabbitmqctl(stack, "delete_vhost", name)


@pytest.fixture
async def shards(stack: StackHandle) -> AsyncIterator[Shards]:
    name = f"ic_test_{secrets.token_hex(4)}"
    shards = open_shards(stack, name)
    yield shards
    for shard in shards.all_shards():
        await shard.db.client.drop_database(name)
    await shards.close()


def open_shards(stack: StackHandle, database: str) -> Shards:
    slot_map = SlotMap.load(stack.topology.slot_map_file)
    return Shards(slot_map, database, "admin", stack.credentials.mongo_admin_password)


@pytest.fixture
def queue() -> str:
    return f"q-{secrets.token_hex(4)}"


@dataclass
class RelayController:
    """A relay of this test's own that can be stopped and started again, as a process would be."""

    amqp_url: str
    shards: Shards
    _running: list[tuple[EventPublisher, "asyncio.Task[None]"]] = field(default_factory=list)

    def start(self, holder: str = "one", policy: RelayPolicy = DEFAULT_RELAY_POLICY) -> OutboxRelay:
        publisher = EventPublisher(self.amqp_url)
        relay = OutboxRelay(self.shards, publisher, holder=holder, policy=policy)
        self._running.append((publisher, asyncio.create_task(relay.relay_all_shards())))
        return relay

    async def stop(self) -> None:
        while self._running:
            publisher, task = self._running.pop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await publisher.close()


@pytest.fixture
async def relaying(amqp_url: str, shards: Shards) -> AsyncIterator[RelayController]:
    relaying = RelayController(amqp_url, shards)
    yield relaying
    await relaying.stop()


async def emit(shards: Shards, count: int = 1) -> list[str]:
    """Commit this number of events in outboxes across the shards; return the users that they are about."""
    users = [new_id("usr") for _ in range(count)]
    for shard in shards.all_shards():
        rows = [_row(user) for user in users if shards.shard_for(user) is shard]
        if rows:
            await shard.db[outbox.OUTBOX_COLLECTION].insert_many(rows)
    return users


async def count_outbox_rows(shards: Shards) -> int:
    counts = [await shard.db[outbox.OUTBOX_COLLECTION].count_documents({}) for shard in shards.all_shards()]
    return sum(counts)


def one_shard(shards: Shards) -> Shard:
    return shards.all_shards()[0]


def _row(user: str) -> dict[str, object]:
    slot = slot_of(user)
    message = UserVerified(user_id=user)
    event = outbox.build_envelope(message, subject=user, source="auth", time=datetime.now(UTC), slot=slot)
    return outbox.build_outbox_row(event, slot)


def connections(stack: StackHandle, amqp_url: str) -> int:
    """Return the broker's number of connections to this run's virtual host."""
    vhost = amqp_url.rpartition("/")[2]
    return _rabbitmqctl(stack, "list_connections", "--no-table-headers", "vhost").split().count(vhost)


def _rabbitmqctl(stack: StackHandle, *arguments: str) -> str:
    processes = rabbit.rabbit_processes(stack.topology, stack.credentials)
    broker = next(process for process in processes if process.name == "rabbit")
    # Not the one on the PATH: that wrapper becomes the user `rabbitmq`, who has another cookie.
    command = "/usr/lib/rabbitmq/bin/rabbitmqctl"
    done = subprocess.run(
        [command, "-q", "-n", broker.environment["RABBITMQ_NODENAME"], *arguments],
        env={"PATH": "/usr/bin:/bin", **broker.environment},
        check=True,
        timeout=60,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout
