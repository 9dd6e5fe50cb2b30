"""Of each store one node may be lost, at any moment and for as long as it takes."""

import json
import os
import subprocess
import time
from typing import Any

import pytest

from devstack import binaries, rabbit
from devstack.stack import Stack
from ops.provision import queue_names
from tests.replicas.test_primaries import kill_primary, primary
from tests.stack import StackHandle, wait_until_blocking
from tests.workload import WorkloadRun, running_workload

pytestmark = [pytest.mark.timeout(900), pytest.mark.thorough]

OPERATIONS_BETWEEN = 80
OUTAGE_S = 20.0
BROKERS = ("rabbit", "rabbit-2", "rabbit-3")


def test_each_queue_has_a_member_on_every_broker(stack: StackHandle) -> None:
    members = {queue["name"]: len(queue["members"]) for queue in list_queues(stack, "members")}

    assert members.keys() >= set(queue_names())
    assert set(members.values()) == {len(BROKERS)}, members


@pytest.mark.parametrize("store", ["mongo", "redis", "rabbit"])
def test_nothing_acknowledged_is_lost_when_a_node_is_killed_under_load(
    stack: StackHandle, store: str
) -> None:
    with running_workload(stack) as work:
        await_more(work)
        killed = kill_busiest(stack, store)
        await_more(work)
    stack.await_ready(killed)

    assert work.violations() == []
    assert work.operation_log.acknowledged("apply")
    assert work.operation_log.find_unexpected_answers() == []


def test_everything_goes_on_while_a_node_of_each_store_stays_down(stack: StackHandle) -> None:
    wait_until_blocking(lambda: primary(stack), "a primary")
    with stack.outages() as stop:
        with running_workload(stack) as work:
            await_more(work)
            for down in (str(primary(stack)), busiest_broker(stack), "redis-1"):
                stop(down)
            time.sleep(OUTAGE_S)
            await_more(work)
        # Events are handled and mails are sent without these nodes.
        assert work.violations() == []
        assert stack.readiness("redis-2").ready, "no replica has taken over"
    assert work.operation_log.find_unexpected_answers() == []


def kill_busiest(stack: StackHandle, store: str) -> str:
    """Kill the node of a store that the others follow; return its name."""
    if store == "mongo":
        return kill_primary(stack)
    name = busiest_broker(stack) if store == "rabbit" else "redis-2"
    stack.kill(name)
    return name


def busiest_broker(stack: StackHandle) -> str:
    """Return the broker that leads most queues."""
    leaders = [queue["leader"] for queue in list_queues(stack, "leader")]
    nodes = {node_name(stack, name): name for name in BROKERS}
    return nodes[max(nodes, key=leaders.count)]


def list_queues(stack: StackHandle, column: str) -> list[dict[str, Any]]:
    """Return the queues with one of their columns."""
    broker = Stack.assemble(stack.topology).find_process("rabbit")
    listed = subprocess.run(
        [
            *(str(binaries.rabbitmqctl()), "--quiet", "--formatter", "json"),
            *("list_queues", "-p", rabbit.RABBIT_VHOST, "name", column),
        ],
        env={**os.environ, **broker.environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found: list[dict[str, Any]] = json.loads(listed.stdout)
    return found


def node_name(stack: StackHandle, process: str) -> str:
    """Return the Erlang name of a broker."""
    return Stack.assemble(stack.topology).find_process(process).environment["RABBITMQ_NODENAME"]


def await_more(work: WorkloadRun) -> None:
    """Wait until people have done some more."""
    wanted = len(work.operation_log.operations) + OPERATIONS_BETWEEN
    wait_until_blocking(lambda: len(work.operation_log.operations) >= wanted, "people at work", within_s=120)
