"""What was acknowledged exists once, with its event, its mail and its count, whatever dies meanwhile."""

import time

import pytest

from ops.stack.services import ROLES
from ops.stack.topology import SERVICES
from tests.faults.checking import nothing_is_lost
from tests.faults.crowd import Crowd
from tests.stack import Stack

pytestmark = pytest.mark.timeout(400)

PROCESSES = [f"{service}-{role}" for service in SERVICES for role in ROLES]
ALWAYS_KILLED = ("application-serve",)


@pytest.mark.parametrize(
    "process",
    [
        pytest.param(process, marks=() if process in ALWAYS_KILLED else (pytest.mark.thorough,))
        for process in PROCESSES
    ],
)
def test_no_acknowledged_application_is_lost_when_a_process_is_killed(
    stack: Stack, crowd: Crowd, process: str
) -> None:
    before = stack.restart_count(process)
    nothing_is_lost(crowd, lambda: stack.kill(process))
    stack.await_ready(process)
    assert stack.restart_count(process) > before


def test_no_acknowledged_application_is_lost_while_the_broker_is_down(stack: Stack, crowd: Crowd) -> None:
    def broker_down() -> None:
        stack.stop("rabbit")
        time.sleep(20)
        stack.start("rabbit")

    nothing_is_lost(crowd, broker_down)


@pytest.mark.thorough
def test_no_acknowledged_application_is_lost_while_a_redis_node_is_down(stack: Stack, crowd: Crowd) -> None:
    def redis_down() -> None:
        stack.stop("redis-2")
        time.sleep(5)
        stack.start("redis-2")

    nothing_is_lost(crowd, redis_down)
