"""Acknowledged work exists once, with its event, its mail and its count, whichever process dies."""

import time

import pytest

from devstack.services import SERVICE_ROLES
from ops.service_names import SERVICES
from tests.faults.assertions import assert_nothing_lost
from tests.faults.user_pool import UserPool
from tests.stack import StackHandle

pytestmark = pytest.mark.timeout(400)

PROCESSES = [f"{service}-{role}" for service in SERVICES for role in SERVICE_ROLES]
ALWAYS_KILLED = ("application-serve",)


@pytest.mark.parametrize(
    "process",
    [
        pytest.param(process, marks=() if process in ALWAYS_KILLED else (pytest.mark.thorough,))
        for process in PROCESSES
    ],
)
def test_no_acknowledged_application_is_lost_when_a_process_is_killed(
    stack: StackHandle, crowd: UserPool, process: str
) -> None:
    before = stack.restart_count(process)
    assert_nothing_lost(crowd, lambda: stack.kill(process))
    stack.await_ready(process)
    assert stack.restart_count(process) > before


def test_no_acknowledged_application_is_lost_while_the_broker_is_down(
    stack: StackHandle, crowd: UserPool
) -> None:
    def broker_down() -> None:
        stack.stop("rabbit")
        time.sleep(20)
        stack.start("rabbit")

    assert_nothing_lost(crowd, broker_down)


@pytest.mark.thorough
def test_no_acknowledged_application_is_lost_while_a_redis_node_is_down(
    stack: StackHandle, crowd: UserPool
) -> None:
    def redis_down() -> None:
        stack.stop("redis-2")
        time.sleep(5)
        stack.start("redis-2")

    assert_nothing_lost(crowd, redis_down)
