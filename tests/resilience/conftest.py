"""A stack of two regions behind TLS, whose stores and services can have faults, and a crowd on it."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from ops.stack import faults
from ops.stack.rate_limiter import LIFTED_TIMES
from tests.faults.crowd import Crowd, awaited
from tests.stack import Stack, stack_beside


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Made for these tests, beside the stack under test."""
    with stack_beside("wide", regions=2, tls=True, faults=True, limits_times=LIFTED_TIMES) as found:
        yield found


@pytest.fixture(scope="session")
def crowd(stack: Stack) -> Crowd:
    """A hundred students and five companies, known to all services."""
    return gathered(stack)


@pytest.fixture
def newcomers(stack: Stack) -> Crowd:
    """A crowd to whom nothing has happened yet."""
    return gathered(stack)


def gathered(stack: Stack) -> Crowd:
    crowd = asyncio.run(Crowd.gather(stack))
    awaited(crowd.are_known, "the crowd to be known")
    return crowd


@pytest.fixture(autouse=True)
def _no_fault_stays(stack: Stack) -> Iterator[None]:
    yield
    faults.clear(stack.topology)


@pytest.fixture
def client(stack: Stack, crowd: Crowd) -> Iterator[httpx.Client]:
    """A student's, since what strangers read is kept at the edge."""
    headers = crowd.students[0].headers
    with httpx.Client(
        base_url=stack.gateway_url, timeout=10.0, headers=headers, trust_env=False, verify=stack.trust
    ) as client:
        yield client
