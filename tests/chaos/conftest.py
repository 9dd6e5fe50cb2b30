"""A stack whose stores can be disturbed."""

from collections.abc import Iterator

import pytest

from ops.commands.test import LIMITS_TIMES
from tests.stack import Stack, stack_beside


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Made for these tests, beside the stack under test."""
    with stack_beside("chaos", faults=True, limits_times=LIMITS_TIMES) as found:
        yield found
