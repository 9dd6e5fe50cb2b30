"""A rolling restart: one process after the other, the next when callers have found the last again."""

import time
from collections.abc import Callable, Iterator
from typing import Final

import httpx

from devstack import control_plane, elections, mongo, rate_limiter
from devstack.process import StackProcess, StartStage
from devstack.region import StackRegion
from devstack.stack import Stack
from devstack.supervisor import SupervisorClient
from devstack.topology_parts import LOOPBACK
from ops.errors import OpsError
from ops.waiting import wait_until

READY_TIMEOUT_S: Final = 120.0
GATEWAY_DRAIN_TIMEOUT_S: Final = 45.0
"""Envoy asks its clients for half a minute to reconnect elsewhere, and then accepts no connections."""
HEALTH_CHECK_DELAY_S: Final = 3.0
"""The time after readiness until the health checks of all callers have noticed."""
POLL_INTERVAL_S: Final = 0.2

ReportProgress = Callable[[str], None]


def restart_order(stack: Stack) -> Iterator[StackProcess]:
    """Yield the processes in order: services, region by region, then stores; not the tools of tests."""
    for name in (control_plane.CONTROL_PLANE_PROCESS, rate_limiter.RATE_LIMITER_PROCESS):
        yield stack.find_process(name)
    for region in stack.topology.regions:
        yield from stack.services_of(region)
    yield from stack.in_stage(StartStage.EDGE)
    yield from (
        each
        for each in stack.in_stage(StartStage.STORES)
        if each.name not in ("mailbox", *_mongod_names(stack))
    )
    for shard in stack.topology.shards:
        yield from (
            stack.find_process(name) for name in elections.members_primary_last(stack.topology, shard)
        )


def restart_in_turn(stack: Stack, tell: ReportProgress) -> None:
    """Restart all processes one after the other; `tell` receives the name of each.

    Gateways are drained first, and a shard's primary steps down first if there are other members.

    Raises:
        OpsError: a process is not ready within two minutes.
    """
    supervisor = SupervisorClient(stack.topology)
    for process in restart_order(stack):
        began = time.monotonic()
        _prepare_restart(stack, process)
        supervisor.stop(process.supervised_name)
        supervisor.start(process.supervised_name)
        _wait_until_ready(process)
        tell(f"{process.name} restarted in {time.monotonic() - began:.1f} s")
        time.sleep(HEALTH_CHECK_DELAY_S)


def _prepare_restart(stack: Stack, process: StackProcess) -> None:
    if process.stage is StartStage.EDGE:
        _drain_gateway(stack.topology.find_region(process.region))
    elif process.name in _mongod_names(stack):
        elections.step_down_primary(stack.topology, stack.credentials, process.name)


def _drain_gateway(region: StackRegion) -> None:
    """Drain a region's gateway: return when no client is connected, or after `GATEWAY_DRAIN_TIMEOUT_S`."""
    admin = f"http://{LOOPBACK}:{region.gateway_admin}"
    with httpx.Client(base_url=admin, trust_env=False, timeout=5.0) as client:
        client.post("/drain_listeners", params={"graceful": ""})
        wait_until(
            lambda: _count_connections(client) == 0,
            timeout_s=GATEWAY_DRAIN_TIMEOUT_S,
            interval_s=POLL_INTERVAL_S,
        )


def _count_connections(client: httpx.Client) -> int:
    parameters = {"filter": r"^http\.gateway\.downstream_cx_active$", "format": "json"}
    stats = client.get("/stats", params=parameters).json()["stats"]
    return sum(int(one["value"]) for one in stats if "value" in one)


def _mongod_names(stack: Stack) -> set[str]:
    return {process.name for process in mongo.mongod_processes(stack.topology)}


def _wait_until_ready(process: StackProcess) -> None:
    if not wait_until(lambda: process.probe().ready, timeout_s=READY_TIMEOUT_S, interval_s=POLL_INTERVAL_S):
        raise OpsError(f"{process.name} is not ready after {READY_TIMEOUT_S:.0f} s: ic logs {process.name}")
