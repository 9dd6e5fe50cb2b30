"""A stack that grows."""

from collections.abc import Iterator

import pytest

from ops.stack.rate_limiter import LIFTED_TIMES
from tests.stack import Stack, stack_beside


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Two shards, made for these tests, beside the stack under test."""
    with stack_beside("growth", shards=2, limits_times=LIFTED_TIMES) as found:
        yield found
