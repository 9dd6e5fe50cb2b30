"""A stack whose shard has three members, and a crowd on it."""

import asyncio
from collections.abc import Iterator

import pytest

from ops.commands.test import LIMITS_TIMES
from ops.stack import lifecycle, topology
from ops.stack.steps import Steps
from tests.faults.crowd import Crowd, awaited
from tests.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Made for these tests, beside the stack under test."""
    name = f"{Stack.under_test().topology.name}-trio"
    found = topology.find_or_create(name, shards=1, members=3, limits_times=LIMITS_TIMES)
    try:
        lifecycle.up(found, Steps())
        yield Stack.of(found)
    finally:
        lifecycle.down(found, wipe=True)


@pytest.fixture(scope="session")
def crowd(stack: Stack) -> Crowd:
    """A hundred students and five companies, known to all services."""
    crowd = asyncio.run(Crowd.gather(stack))
    awaited(crowd.are_known, "the crowd to be known")
    return crowd
