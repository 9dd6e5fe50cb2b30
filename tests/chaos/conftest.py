"""Stacks to strike at."""

from collections.abc import Iterator

import pytest

from ops.stack.rate_limiter import LIFTED_TIMES
from tests.stack import Stack, stack_beside


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One whose stores can be disturbed, made for these tests, beside the stack under test."""
    with stack_beside("chaos", faults=True, limits_times=LIFTED_TIMES) as found:
        yield found


@pytest.fixture(scope="module")
def redundant() -> Iterator[Stack]:
    """One that has everything twice that can be had twice: two regions, a shard of three members."""
    with stack_beside("rolled", shards=1, members=3, regions=2, limits_times=LIFTED_TIMES) as found:
        yield found
