"""The stack under test, and a second, smaller one beside it."""

from collections.abc import Iterator

import pytest

from ops.stack import lifecycle, topology
from ops.stack.steps import Steps
from tests.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    return Stack.under_test()


@pytest.fixture(scope="module")
def beside(stack: Stack) -> Iterator[Stack]:
    found = topology.find_or_create(f"{stack.topology.name}-beside", shards=1)
    try:
        lifecycle.up(found, Steps(), stores_only=True)
        yield Stack.of(found)
    finally:
        lifecycle.down(found, wipe=True)
