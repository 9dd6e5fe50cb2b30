"""The stack under test, and a second, smaller one beside it."""

from collections.abc import Iterator

import pytest

from tests.stack import StackHandle, running_second_stack


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    return StackHandle.under_test()


@pytest.fixture(scope="module")
def beside() -> Iterator[StackHandle]:
    with running_second_stack("beside", shards=1, stores_only=True) as found:
        yield found
