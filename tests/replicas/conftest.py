"""A stack with three of each store, and a crowd on it."""

import asyncio
from collections.abc import Iterator

import pytest

from devstack.rate_limiter import LIFTED_LIMITS_FACTOR
from tests.faults.user_pool import UserPool, wait_for_recovery
from tests.stack import StackHandle, running_second_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[StackHandle]:
    """Run a stack for these tests, beside the stack under test."""
    with running_second_stack("trio", shards=1, redundant=True, limits_times=LIFTED_LIMITS_FACTOR) as found:
        yield found


@pytest.fixture(scope="session")
def crowd(stack: StackHandle) -> UserPool:
    """Yield a hundred students and five companies, known to all services."""
    crowd = asyncio.run(UserPool.gather(stack))
    wait_for_recovery(crowd.are_known, "the crowd to be known")
    return crowd
