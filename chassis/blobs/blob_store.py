"""The port to the store of blobs.

A key is segments of letters, digits and underscores with slashes between them, such as `documents/usr_1/2`.
So no key leads out of a folder, and keys sort alike by their bytes and by their segments.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

MAX_KEY_CHARS: Final = 500
_KEY: Final = re.compile(r"[A-Za-z0-9_]{1,120}(?:/[A-Za-z0-9_]{1,120})*", re.ASCII)


class BlobNotFoundError(Exception):
    """There is no blob of this key."""


class BlobTooLargeError(Exception):
    """A content has more bytes than its bound; nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A stored blob; `modify_time` is aware."""

    key: str
    size_bytes: int
    modify_time: datetime


class BlobStore(Protocol):
    """Stores contents by key.

    Methods raise DomainError UNAVAILABLE while the store does not answer, and ValueError for text that is no
    key.
    """

    async def put(self, key: str, content: AsyncIterable[bytes], *, max_bytes: int) -> BlobInfo:
        """Store a content under its key, whole or not at all, in place of an earlier one.

        Raises BlobTooLargeError, and what `content` raises.
        """
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """Yield a content in parts. Raises BlobNotFoundError before the first one."""
        ...

    async def head(self, key: str) -> BlobInfo | None:
        """Return the blob of a key, or None."""
        ...

    async def delete(self, key: str) -> None:
        """Delete a blob; one that is missing is no error."""
        ...

    async def list_page(self, folder: str, *, after: str = "", limit: int) -> list[BlobInfo]:
        """Return at most `limit` blobs below `folder`, a key's first segments, after a key, in order."""
        ...

    async def remove_partial_contents(self, before: datetime) -> int:
        """Remove what puts that were killed before this time have left; return the number of contents."""
        ...


def check_blob_key(key: str) -> str:
    """Return the key. Raises ValueError for text that is none."""
    if len(key) > MAX_KEY_CHARS or not _KEY.fullmatch(key):
        raise ValueError(f"not the key of a blob: {key[:64]!r}")
    return key


async def bounded_parts(content: AsyncIterable[bytes], max_bytes: int) -> AsyncIterator[bytes]:
    """Yield the parts of a content. Raises BlobTooLargeError instead of the part that exceeds the bound."""
    received_bytes = 0
    async for part in content:
        received_bytes += len(part)
        if received_bytes > max_bytes:
            raise BlobTooLargeError(f"more than {max_bytes} bytes")
        yield part
