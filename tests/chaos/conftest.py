"""Stacks to fault at."""

from collections.abc import Iterator

import pytest

from devstack.rate_limiter import LIFTED_LIMITS_FACTOR
from tests.stack import StackHandle, running_second_stack


@pytest.fixture(scope="module")
def stack() -> Iterator[StackHandle]:
    """Run a stack of these tests' own, with a fault proxy, beside the stack under test."""
    with running_second_stack("chaos", faults=True, limits_times=LIFTED_LIMITS_FACTOR) as found:
        yield found


@pytest.fixture(scope="module")
def redundant() -> Iterator[StackHandle]:
    """Run a stack with two regions and a shard of three members."""
    with running_second_stack(
        "rolled", shards=1, members=3, regions=2, limits_times=LIFTED_LIMITS_FACTOR
    ) as found:
        yield found
