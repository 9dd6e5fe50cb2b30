import pytest

from tests.fakes.invalidation_source import FakeInvalidationSource


@pytest.fixture
def watches() -> FakeInvalidationSource:
    return FakeInvalidationSource()
