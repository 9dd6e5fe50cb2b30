"""The stack, and one crowd for all faults."""

import asyncio

import pytest

from tests.faults.user_pool import UserPool, wait_for_recovery
from tests.stack import StackHandle


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    """Return the stack under test."""
    return StackHandle.under_test()


@pytest.fixture(scope="session")
def crowd(stack: StackHandle) -> UserPool:
    """Yield a hundred students and five companies, known to all services."""
    crowd = asyncio.run(UserPool.gather(stack))
    wait_for_recovery(crowd.are_known, "the crowd to be known")
    return crowd
