"""The stack, and one crowd for all faults."""

import asyncio

import pytest

from tests.faults.crowd import Crowd, awaited
from tests.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The stack under test."""
    return Stack.under_test()


@pytest.fixture(scope="session")
def crowd(stack: Stack) -> Crowd:
    """A hundred students and five companies, known to all services."""
    crowd = asyncio.run(Crowd.gather(stack))
    awaited(crowd.are_known, "the crowd to be known")
    return crowd
