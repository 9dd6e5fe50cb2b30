"""The store of an installation that keeps no files."""

from collections.abc import AsyncIterable, AsyncIterator
from datetime import datetime

from chassis.blobs.blob_store import BlobInfo
from chassis.errors import DomainError, unavailable


class NoBlobStore:
    """`BlobStore` that never answers: IC_BLOBS is not set."""

    async def put(self, key: str, content: AsyncIterable[bytes], *, max_bytes: int) -> BlobInfo:
        raise _unavailable()

    def read(self, key: str) -> AsyncIterator[bytes]:
        raise _unavailable()

    async def head(self, key: str) -> BlobInfo | None:
        raise _unavailable()

    async def delete(self, key: str) -> None:
        raise _unavailable()

    async def list_page(self, folder: str, *, after: str = "", limit: int) -> list[BlobInfo]:
        raise _unavailable()

    async def remove_partial_contents(self, before: datetime) -> int:
        raise _unavailable()


def _unavailable() -> DomainError:
    return unavailable("The store of files, for which IC_BLOBS is not set,")
