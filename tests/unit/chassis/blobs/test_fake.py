"""The fake store of blobs keeps the contract that the real ones keep."""

import pytest

from chassis.blobs import BlobStore
from tests.contracts.blob_store import BlobStoreContract
from tests.fakes.blob_store import InMemoryBlobStore


class TestInMemoryBlobStore(BlobStoreContract):
    @pytest.fixture
    def store(self) -> BlobStore:
        return InMemoryBlobStore()
