"""A store of blobs in memory."""

from collections.abc import AsyncIterable, AsyncIterator
from datetime import UTC, datetime

from chassis.blobs import BlobInfo, BlobNotFoundError, check_blob_key
from chassis.blobs.blob_store import bounded_parts


class InMemoryBlobStore:
    """`BlobStore` with its contents in `contents`."""

    def __init__(self) -> None:
        self.contents: dict[str, tuple[bytes, datetime]] = {}

    async def put(self, key: str, content: AsyncIterable[bytes], *, max_bytes: int) -> BlobInfo:
        check_blob_key(key)
        whole = b"".join([part async for part in bounded_parts(content, max_bytes)])
        self.contents[key] = (whole, datetime.now(UTC))
        return self._info(key)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        if check_blob_key(key) not in self.contents:
            raise BlobNotFoundError(key)
        yield self.contents[key][0]

    async def head(self, key: str) -> BlobInfo | None:
        return self._info(key) if check_blob_key(key) in self.contents else None

    async def delete(self, key: str) -> None:
        self.contents.pop(check_blob_key(key), None)

    async def list_page(self, folder: str, *, after: str = "", limit: int) -> list[BlobInfo]:
        base = f"{check_blob_key(folder)}/"
        found = sorted(key for key in self.contents if key.startswith(base) and key > after)
        return [self._info(key) for key in found[:limit]]

    async def remove_partial_contents(self, before: datetime) -> int:
        return 0

    def _info(self, key: str) -> BlobInfo:
        content, modify_time = self.contents[key]
        return BlobInfo(key, len(content), modify_time)
