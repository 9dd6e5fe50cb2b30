"""A virtual host and databases of this run's own, so that the services of the stack never see its events."""

import asyncio
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from chassis.ids import new_id, slot_of
from chassis.messaging import outbox
from chassis.messaging.publisher import Publisher
from chassis.messaging.relay import Relay
from chassis.mongo.shards import Shard, Shards
from chassis.mongo.slots import SlotMap
from internshipconnect.events.v1.events_pb2 import UserVerified
from ops.stack import rabbit
from tests.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    return Stack.under_test()


@pytest.fixture(scope="session")
def amqp_url(stack: Stack) -> Iterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    _rabbitmqctl(stack, "add_vhost", name)
    _rabbitmqctl(stack, "set_permissions", "-p", name, rabbit.USER, ".*", ".*", ".*")
    yield stack.amqp_url.rpartition("/")[0] + f"/{name}"
    _rabbitmqctl(stack, "delete_vhost", name)


@pytest.fixture
async def shards(stack: Stack) -> AsyncIterator[Shards]:
    name = f"ic_test_{secrets.token_hex(4)}"
    shards = open_shards(stack, name)
    yield shards
    for shard in shards.all():
        await shard.db.client.drop_database(name)
    await shards.close()


def open_shards(stack: Stack, database: str) -> Shards:
    slot_map = SlotMap.load(stack.topology.slot_map)
    return Shards(slot_map, database, "admin", stack.credentials.mongo_admin_password)


@pytest.fixture
def queue() -> str:
    return f"q-{secrets.token_hex(4)}"


@dataclass
class Relaying:
    """A relay of this test's own that can be stopped and started again, as a process would be."""

    amqp_url: str
    shards: Shards
    _running: list[tuple[Publisher, "asyncio.Task[None]"]] = field(default_factory=list)

    def start(self, holder: str = "one") -> Relay:
        publisher = Publisher(self.amqp_url)
        relay = Relay(self.shards, publisher, holder=holder)
        self._running.append((publisher, asyncio.create_task(relay.run())))
        return relay

    async def stop(self) -> None:
        while self._running:
            publisher, task = self._running.pop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await publisher.close()


@pytest.fixture
async def relaying(amqp_url: str, shards: Shards) -> AsyncIterator[Relaying]:
    relaying = Relaying(amqp_url, shards)
    yield relaying
    await relaying.stop()


async def emit(shards: Shards, count: int = 1) -> list[str]:
    """Commits so many events in outboxes across the shards; returns the users that they tell of."""
    users = [new_id("usr") for _ in range(count)]
    for shard in shards.all():
        rows = [_row(user) for user in users if shards.of(user) is shard]
        if rows:
            await shard.db[outbox.COLLECTION].insert_many(rows)
    return users


async def rows_left(shards: Shards) -> int:
    counts = [await shard.db[outbox.COLLECTION].count_documents({}) for shard in shards.all()]
    return sum(counts)


def one_shard(shards: Shards) -> Shard:
    return shards.all()[0]


def _row(user: str) -> dict[str, object]:
    slot = slot_of(user)
    message = UserVerified(user_id=user)
    event = outbox.envelope(message, subject=user, source="auth", time=datetime.now(UTC), slot=slot)
    return outbox.document(event, slot)


def connections(stack: Stack, amqp_url: str) -> int:
    """How many the broker has to this run's virtual host."""
    vhost = amqp_url.rpartition("/")[2]
    return _rabbitmqctl(stack, "list_connections", "--no-table-headers", "vhost").split().count(vhost)


def _rabbitmqctl(stack: Stack, *arguments: str) -> str:
    processes = rabbit.processes(stack.topology, stack.credentials)
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
