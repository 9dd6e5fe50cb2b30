"""A stack of two regions behind TLS, whose stores and services can have faults, and a crowd on it."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from devstack import fault_injection
from devstack.rate_limiter import LIFTED_LIMITS_FACTOR
from tests.faults.user_pool import UserPool, wait_for_recovery
from tests.stack import StackHandle, running_second_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[StackHandle]:
    """Run a stack for these tests, beside the stack under test."""
    with running_second_stack(
        "wide", regions=2, tls=True, faults=True, limits_times=LIFTED_LIMITS_FACTOR
    ) as found:
        yield found


@pytest.fixture(scope="session")
def crowd(stack: StackHandle) -> UserPool:
    """Yield a hundred students and five companies, known to all services."""
    return open_user_pool(stack)


@pytest.fixture
def fresh_users(stack: StackHandle) -> UserPool:
    """Return a user pool of this test's own."""
    return open_user_pool(stack)


def open_user_pool(stack: StackHandle) -> UserPool:
    crowd = asyncio.run(UserPool.gather(stack))
    wait_for_recovery(crowd.are_known, "the crowd to be known")
    return crowd


@pytest.fixture(autouse=True)
def _no_fault_stays(stack: StackHandle) -> Iterator[None]:
    yield
    fault_injection.clear_faults(stack.topology)


@pytest.fixture
def client(stack: StackHandle, crowd: UserPool) -> Iterator[httpx.Client]:
    """Yield a student's client, since visitors' answers are kept at the edge."""
    headers = crowd.students[0].headers
    with httpx.Client(
        base_url=stack.gateway_url, timeout=10.0, headers=headers, trust_env=False, verify=stack.trust
    ) as client:
        yield client
