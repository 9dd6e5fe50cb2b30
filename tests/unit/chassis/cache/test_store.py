"""The fake cache store keeps the contract that the real one keeps."""

import pytest

from chassis.cache import CacheStore
from tests.contracts.cache_store import CacheStoreContract
from tests.fakes.cache_store import InMemoryCacheStore


class TestMemoryStore(CacheStoreContract):
    @pytest.fixture
    def store(self) -> CacheStore:
        self.now_s = 0.0
        return InMemoryCacheStore(lambda: self.now_s)

    async def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
