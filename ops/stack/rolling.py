"""A rolling restart: every process of a stack in turn, the next when the last is back at work."""

import time
from collections.abc import Callable, Iterator
from typing import Final

import httpx

from ops.errors import OpsError
from ops.stack import control_plane, elections, mongo, rate_limiter
from ops.stack.lifecycle import Stack
from ops.stack.process import Process, Stage
from ops.stack.region import Region
from ops.stack.supervisor import SupervisorClient
from ops.stack.topology import LOOPBACK

READY_WITHIN_S: Final = 120.0
GATEWAY_ENDS_WITHIN_S: Final = 45.0
"""Envoy tells its clients for half a minute that it is leaving, and then takes no connections any more."""
SEEN_AFTER_S: Final = 3.0
"""Once it is ready, until the health checks of all its callers have found it."""
LOOK_EVERY_S: Final = 0.2

Tell = Callable[[str], None]


def in_turn(stack: Stack) -> Iterator[Process]:
    """The order: what serves, region by region, then the stores. The means and witnesses of tests stay."""
    for name in (control_plane.PROCESS, rate_limiter.PROCESS):
        yield stack.process(name)
    for region in stack.topology.regions:
        yield from stack.services_of(region)
    yield from stack.in_stage(Stage.EDGE)
    yield from (
        each for each in stack.in_stage(Stage.STORES) if each.name not in ("mailbox", *_mongods(stack))
    )
    for shard in stack.topology.shards:
        yield from (stack.process(name) for name in elections.primary_last(stack.topology, shard))


def roll(stack: Stack, tell: Tell) -> None:
    """Restarts everything in turn; `tell` hears of each process.

    Gateways are drained first, and a shard's primary hands over first where there are other members.

    Raises:
        OpsError: a process is not ready within two minutes.
    """
    supervisor = SupervisorClient(stack.topology)
    for process in in_turn(stack):
        began = time.monotonic()
        _prepare(stack, process)
        supervisor.stop(process.supervised_name)
        supervisor.start(process.supervised_name)
        _await_ready(process)
        tell(f"{process.name} restarted in {time.monotonic() - began:.1f} s")
        time.sleep(SEEN_AFTER_S)


def _prepare(stack: Stack, process: Process) -> None:
    if process.stage is Stage.EDGE:
        _drain(stack.topology.region(process.region))
    elif process.name in _mongods(stack):
        elections.step_down(stack.topology, stack.credentials, process.name)


def _drain(region: Region) -> None:
    """Returns when no client is connected any more, or is so after all that time."""
    admin = f"http://{LOOPBACK}:{region.gateway_admin}"
    until = time.monotonic() + GATEWAY_ENDS_WITHIN_S
    with httpx.Client(base_url=admin, trust_env=False, timeout=5.0) as client:
        client.post("/drain_listeners", params={"graceful": ""})
        while time.monotonic() < until and _connections(client):
            time.sleep(LOOK_EVERY_S)


def _connections(client: httpx.Client) -> int:
    parameters = {"filter": r"^http\.gateway\.downstream_cx_active$", "format": "json"}
    stats = client.get("/stats", params=parameters).json()["stats"]
    return sum(int(one["value"]) for one in stats if "value" in one)


def _mongods(stack: Stack) -> set[str]:
    return {process.name for process in mongo.processes(stack.topology)}


def _await_ready(process: Process) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while not process.probe().ready:
        if time.monotonic() > until:
            raise OpsError(
                f"{process.name} is not ready after {READY_WITHIN_S:.0f} s: ic logs {process.name}"
            )
        time.sleep(LOOK_EVERY_S)
