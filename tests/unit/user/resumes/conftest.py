"""The table of places, which children read from the cache and cannot build."""

import pytest

from chassis.search.gazetteer import Gazetteer, shared_gazetteer


@pytest.fixture(scope="session")
def places() -> Gazetteer:
    return shared_gazetteer()
