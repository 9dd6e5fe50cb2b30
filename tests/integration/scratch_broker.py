"""A corner of the running broker for one test run: its own virtual host, gone afterwards."""

import asyncio
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from chassis.messaging import Subscription
from chassis.messaging.consumer import EventConsumers
from chassis.messaging.publisher import EventPublisher
from chassis.messaging.relay import OutboxRelay
from chassis.sharding.shards import Shards
from devstack import rabbit
from tests.stack import StackHandle
from tests.waiting import wait_until as wait_until  # noqa: PLC0414


@contextmanager
def scratch_vhost(stack: StackHandle) -> Iterator[str]:
    """Yield the AMQP URL of a virtual host that the services of the stack do not use."""
    name = f"test-{secrets.token_hex(4)}"
    _rabbitmqctl(stack, "add_vhost", name)
    _rabbitmqctl(stack, "set_permissions", "-p", name, rabbit.RABBIT_USER, ".*", ".*", ".*")
    try:
        yield stack.amqp_url.rpartition("/")[0] + f"/{name}"
    finally:
        _rabbitmqctl(stack, "delete_vhost", name)


@asynccontextmanager
async def running_worker(
    amqp_url: str, shards: Shards, subscriptions: Sequence[Subscription]
) -> AsyncIterator[None]:
    """Consume events and relay the service's own, as its role `work` does."""
    publisher = EventPublisher(amqp_url)
    consumers = EventConsumers(amqp_url, subscriptions, name="test")
    consumers.start()
    await wait_until(lambda: consumers.is_connected)
    relay = asyncio.create_task(OutboxRelay(shards, publisher, holder="test").relay_all_shards())
    try:
        yield
    finally:
        await consumers.stop(grace_s=1.0)
        await cancel_until_ended(relay)
        await publisher.close()


async def cancel_until_ended(task: asyncio.Task[None]) -> None:
    """Cancel it until it has ended: the Mongo driver may swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=1.0)


wait_until_condition = wait_until
"""For asynchronous conditions."""


def _rabbitmqctl(stack: StackHandle, *arguments: str) -> None:
    processes = rabbit.rabbit_processes(stack.topology, stack.credentials)
    broker = next(each for each in processes if each.name == "rabbit")
    # Not the one on the PATH: that wrapper becomes the user `rabbitmq`, who has another cookie.
    command = "/usr/lib/rabbitmq/bin/rabbitmqctl"
    subprocess.run(
        [command, "-q", "-n", broker.environment["RABBITMQ_NODENAME"], *arguments],
        env={"PATH": "/usr/bin:/bin", **broker.environment},
        check=True,
        timeout=60,
    )
