"""A stack that grows."""

from collections.abc import Iterator

import pytest

from devstack.rate_limiter import LIFTED_LIMITS_FACTOR
from tests.stack import StackHandle, running_second_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[StackHandle]:
    """Run a stack of two shards, made for these tests, beside the stack under test."""
    with running_second_stack("growth", shards=2, limits_times=LIFTED_LIMITS_FACTOR) as found:
        yield found
