"""A corner of the running broker for one test run: its own virtual host, gone afterwards."""

import asyncio
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from chassis.messaging import Subscription
from chassis.messaging.consumer import Consumers
from chassis.messaging.publisher import Publisher
from chassis.messaging.relay import Relay
from chassis.mongo.shards import Shards
from ops.stack import rabbit
from tests.stack import Stack
from tests.waiting import until as until  # noqa: PLC0414


@contextmanager
def scratch_vhost(stack: Stack) -> Iterator[str]:
    """The AMQP URL of a virtual host that the services of the stack never see."""
    name = f"test-{secrets.token_hex(4)}"
    _rabbitmqctl(stack, "add_vhost", name)
    _rabbitmqctl(stack, "set_permissions", "-p", name, rabbit.USER, ".*", ".*", ".*")
    try:
        yield stack.amqp_url.rpartition("/")[0] + f"/{name}"
    finally:
        _rabbitmqctl(stack, "delete_vhost", name)


@asynccontextmanager
async def working(
    amqp_url: str, shards: Shards, subscriptions: Sequence[Subscription]
) -> AsyncIterator[None]:
    """What a service does in its role `work`: consuming events and relaying its own."""
    publisher = Publisher(amqp_url)
    consumers = Consumers(amqp_url, subscriptions, name="test")
    consumers.start()
    await until(lambda: consumers.connected)
    relay = asyncio.create_task(Relay(shards, publisher, holder="test").run())
    try:
        yield
    finally:
        await consumers.stop(grace_s=1.0)
        await until_ended(relay)
        await publisher.close()


async def until_ended(task: asyncio.Task[None]) -> None:
    """Cancels it until it has ended: the Mongo driver may swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=1.0)


until_so = until
"""For what has to be asked for."""


def _rabbitmqctl(stack: Stack, *arguments: str) -> None:
    processes = rabbit.processes(stack.topology, stack.credentials)
    broker = next(each for each in processes if each.name == "rabbit")
    # Not the one on the PATH: that wrapper becomes the user `rabbitmq`, who has another cookie.
    command = "/usr/lib/rabbitmq/bin/rabbitmqctl"
    subprocess.run(
        [command, "-q", "-n", broker.environment["RABBITMQ_NODENAME"], *arguments],
        env={"PATH": "/usr/bin:/bin", **broker.environment},
        check=True,
        timeout=60,
    )
