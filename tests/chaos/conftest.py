"""A stack whose stores can be disturbed."""

from collections.abc import Iterator

import pytest

from ops.commands.test import LIMITS_TIMES
from ops.stack import lifecycle, topology
from ops.stack.steps import Steps
from tests.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Made for these tests, beside the stack under test."""
    name = f"{Stack.under_test().topology.name}-chaos"
    found = topology.find_or_create(name, faults=True, limits_times=LIMITS_TIMES)
    try:
        lifecycle.up(found, Steps())
        yield Stack.of(found)
    finally:
        lifecycle.down(found, wipe=True)
