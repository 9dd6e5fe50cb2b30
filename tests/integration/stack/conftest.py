"""The stack under test, and a second, smaller one beside it."""

from collections.abc import Iterator

import pytest

from tests.stack import Stack, stack_beside


@pytest.fixture(scope="session")
def stack() -> Stack:
    return Stack.under_test()


@pytest.fixture(scope="module")
def beside() -> Iterator[Stack]:
    with stack_beside("beside", shards=1, stores_only=True) as found:
        yield found
