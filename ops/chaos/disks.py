"""Full disks, as far as they can be had without filling one.

RabbitMQ has an alarm: below its limit of free space it takes nothing more from anybody who publishes. The
limit is raised above what any disk has. MongoDB has none: a server that cannot write ends itself, which is
what a kill does; what comes before are writes that wait while reads go on, which is what `fsyncLock` does.
"""

import os
import subprocess
import time
from contextlib import suppress
from typing import Final

from pymongo.errors import PyMongoError

from ops.errors import OpsError
from ops.stack import binaries, elections, rabbit
from ops.stack.lifecycle import Stack
from ops.stack.topology import Shard

MORE_THAN_ANY_DISK: Final = "1000000GB"
_ANSWERS_WITHIN_S: Final = 20.0
_SPACE_AGAIN_WITHIN_S: Final = 120.0
_TRY_AGAIN_S: Final = 1.0


def fill(stack: Stack, target: str, for_s: float) -> None:
    """Lets the broker, or a shard's primary, act for so long as if its disk were full.

    Raises:
        OpsError: the broker does not do as it is told.
        PyMongoError: the shard does not.
    """
    if target == "rabbit":
        _fill_broker(stack, for_s)
    else:
        _fill_shard(stack, elections.shard_called(stack.topology, target.removeprefix("mongo-")), for_s)


def _fill_broker(stack: Stack, for_s: float) -> None:
    try:
        _limit(stack, MORE_THAN_ANY_DISK)
        time.sleep(for_s)
    finally:
        _give_space_back(stack)


def _give_space_back(stack: Stack) -> None:
    """Tries for two minutes: a broker that is left without space would spoil the rest of the run."""
    until = time.monotonic() + _SPACE_AGAIN_WITHIN_S
    while True:
        try:
            return _limit(stack, rabbit.DISK_FREE_LIMIT)
        except OpsError:
            if time.monotonic() > until:
                raise
            time.sleep(_TRY_AGAIN_S)


def _limit(stack: Stack, limit: str) -> None:
    environment = {**os.environ, **stack.process("rabbit").environment}
    command = [str(binaries.rabbitmqctl()), "--quiet", "set_disk_free_limit", limit]
    try:
        done = subprocess.run(
            command, check=False, env=environment, capture_output=True, text=True, timeout=_ANSWERS_WITHIN_S
        )
    except subprocess.TimeoutExpired as error:
        raise OpsError("RabbitMQ does not take its limit of free space over") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise OpsError(f"RabbitMQ does not take its limit of free space over: {said[0] if said else ''}")


def _fill_shard(stack: Stack, shard: Shard, for_s: float) -> None:
    """A server that is started anew meanwhile has no lock any more."""
    topology = stack.topology
    primary = shard.ports[elections.primary_of(topology, shard)]
    with elections.direct(topology, stack.credentials, primary) as client:
        try:
            client.admin.command("fsync", lock=True)
            time.sleep(for_s)
        finally:
            with suppress(PyMongoError):
                client.admin.command("fsyncUnlock")
