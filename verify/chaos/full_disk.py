"""The effects of full disks, without filling one.

RabbitMQ has an alarm: below its limit of free space it accepts no messages. The limit is raised above the
size of any disk. MongoDB has none: a server that cannot write ends itself, as in a kill; before that, writes
wait while reads continue, as under the server's `fsync` lock.
"""

import os
import subprocess
import time
from contextlib import suppress
from typing import Final

from pymongo.errors import PyMongoError

from chassis.concurrency.retry import RetryPolicy, retry_call
from devstack import binaries, elections, rabbit
from devstack.stack import Stack
from devstack.topology_parts import StackShard
from ops.errors import OpsError

FREE_LIMIT_ABOVE_ANY_DISK: Final = "1000000GB"
_ANSWER_TIMEOUT_S: Final = 20.0
_RESTORE_TIMEOUT_S: Final = 120.0
_RESTORE_RETRY_POLICY: Final = RetryPolicy(initial_s=1.0, max_s=1.0, jitter=0)


def fill_disk(stack: Stack, target: str, for_s: float) -> None:
    """Make the broker, or a shard's primary, behave for so long as if its disk were full.

    Raises:
        OpsError: the broker does not apply the limit.
        PyMongoError: the shard does not answer.
    """
    if target == "rabbit":
        _fill_broker(stack, for_s)
    else:
        _fill_shard(stack, elections.find_shard(stack.topology, target.removeprefix("mongo-")), for_s)


def _fill_broker(stack: Stack, for_s: float) -> None:
    try:
        _set_free_limit(stack, FREE_LIMIT_ABOVE_ANY_DISK)
        time.sleep(for_s)
    finally:
        _restore_free_limit(stack)


def _restore_free_limit(stack: Stack) -> None:
    """Restore the limit, with retries for two minutes, as the rest of the run needs a working broker."""
    retry_call(
        lambda: _set_free_limit(stack, rabbit.DISK_FREE_LIMIT),
        _RESTORE_RETRY_POLICY,
        on=OpsError,
        deadline=time.monotonic() + _RESTORE_TIMEOUT_S,
    )


def _set_free_limit(stack: Stack, limit: str) -> None:
    environment = {**os.environ, **stack.find_process("rabbit").environment}
    command = [str(binaries.rabbitmqctl()), "--quiet", "set_disk_free_limit", limit]
    try:
        done = subprocess.run(
            command, check=False, env=environment, capture_output=True, text=True, timeout=_ANSWER_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise OpsError("RabbitMQ does not take its limit of free space over") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise OpsError(f"RabbitMQ does not take its limit of free space over: {said[0] if said else ''}")


def _fill_shard(stack: Stack, shard: StackShard, for_s: float) -> None:
    """Lock the primary's writes for so long; a server that restarts during that has lost its lock."""
    topology = stack.topology
    primary = shard.ports[elections.find_primary(topology, shard)]
    with elections.connect_to_member(topology, stack.credentials, primary) as client:
        try:
            client.admin.command("fsync", lock=True)
            time.sleep(for_s)
        finally:
            with suppress(PyMongoError):
                client.admin.command("fsyncUnlock")
