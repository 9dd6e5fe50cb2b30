"""A stack whose shard has three members, and a crowd on it."""

import asyncio
from collections.abc import Iterator

import pytest

from ops.stack.rate_limiter import LIFTED_TIMES
from tests.faults.crowd import Crowd, awaited
from tests.stack import Stack, stack_beside


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Made for these tests, beside the stack under test."""
    with stack_beside("trio", shards=1, members=3, limits_times=LIFTED_TIMES) as found:
        yield found


@pytest.fixture(scope="session")
def crowd(stack: Stack) -> Crowd:
    """A hundred students and five companies, known to all services."""
    crowd = asyncio.run(Crowd.gather(stack))
    awaited(crowd.are_known, "the crowd to be known")
    return crowd
