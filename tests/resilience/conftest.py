"""A stack whose stores and services can have faults, and a few people on it."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from ops.stack import faults, lifecycle, topology
from ops.stack.steps import Steps
from tests.faults.crowd import Crowd, awaited
from tests.stack import Stack

STUDENTS = 12
OWNERS = 4


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One of its own, beside the stack under test."""
    name = f"{Stack.under_test().topology.name}-wide"
    if name in topology.stack_names():
        lifecycle.down(topology.find(name), wipe=True)
    found = topology.find_or_create(name, faults=True, limits_times=1_000)
    try:
        lifecycle.up(found, Steps())
        yield Stack.of(found)
    finally:
        lifecycle.down(found, wipe=True)


@pytest.fixture(scope="session")
def crowd(stack: Stack) -> Crowd:
    """People of both shards, known to all services."""
    crowd = asyncio.run(Crowd.gather(stack, students=STUDENTS, owners=OWNERS))
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
    with httpx.Client(base_url=stack.gateway_url, timeout=10.0, headers=headers, trust_env=False) as client:
        yield client
