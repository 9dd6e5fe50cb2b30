"""Blobs in a bucket that speaks S3.

A content is sent by one request and not in parts: contents are small, and a bucket keeps the parts of an
interrupted upload until somebody removes them.
"""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from chassis.blobs.blob_store import BlobInfo, BlobNotFoundError, bounded_parts, check_blob_key
from chassis.errors import DomainError, unavailable

REQUEST_TIMEOUT: Final = "10s"
CONNECT_TIMEOUT: Final = "2s"
MAX_RETRIES: Final = 3
READ_PART_BYTES: Final = 64 * 1024
_NOT_FOUND_ERRORS: Final = (FileNotFoundError, NotFoundError)
"""The library raises either, also for a bucket that is missing."""
_ERRORS: Final = (BaseError, FileNotFoundError, PermissionError)


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, the prefix of all keys in it, and the access to it.

    Without an endpoint it is Amazon's in the region; without keys those of the machine's role.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = ""


class S3BlobStore:
    """`BlobStore` in a bucket, which has to exist."""

    def __init__(self, location: S3Location) -> None:
        given: dict[str, Any] = {
            "endpoint": location.endpoint,
            "region": location.region,
            "access_key_id": location.access_key,
            "secret_access_key": location.secret_key,
        }
        self._store = S3Store(
            location.bucket,
            prefix=location.prefix or None,
            client_options={
                "timeout": REQUEST_TIMEOUT,
                "connect_timeout": CONNECT_TIMEOUT,
                "allow_http": location.endpoint.startswith("http://"),
            },
            retry_config={"max_retries": MAX_RETRIES},
            **{name: value for name, value in given.items() if value},
        )

    async def put(self, key: str, content: AsyncIterable[bytes], *, max_bytes: int) -> BlobInfo:
        check_blob_key(key)
        body = b"".join([part async for part in bounded_parts(content, max_bytes)])
        try:
            await obstore.put_async(self._store, key, body, use_multipart=False)
            return _info_of_object(await obstore.head_async(self._store, key))
        except _ERRORS as error:
            raise _unavailable() from error

    async def read(self, key: str) -> AsyncIterator[bytes]:
        check_blob_key(key)
        try:
            found = await obstore.get_async(self._store, key)
            async for part in found.stream(min_chunk_size=READ_PART_BYTES):
                yield bytes(part)
        except _NOT_FOUND_ERRORS:
            raise BlobNotFoundError(key) from None
        except _ERRORS as error:
            raise _unavailable() from error

    async def head(self, key: str) -> BlobInfo | None:
        check_blob_key(key)
        try:
            return _info_of_object(await obstore.head_async(self._store, key))
        except _NOT_FOUND_ERRORS:
            return None
        except _ERRORS as error:
            raise _unavailable() from error

    async def delete(self, key: str) -> None:
        check_blob_key(key)
        try:
            await obstore.delete_async(self._store, key)
        except _NOT_FOUND_ERRORS:
            return
        except _ERRORS as error:
            raise _unavailable() from error

    async def list_page(self, folder: str, *, after: str = "", limit: int) -> list[BlobInfo]:
        check_blob_key(folder)
        pages = obstore.list(self._store, f"{folder}/", offset=after or None, chunk_size=limit)
        found: list[BlobInfo] = []
        try:
            async for page in pages:
                found.extend(map(_info_of_object, page))
                if len(found) >= limit:
                    break
        except _ERRORS as error:
            raise _unavailable() from error
        return found[:limit]

    async def remove_partial_contents(self, before: datetime) -> int:
        return 0


def _info_of_object(found: Any) -> BlobInfo:
    return BlobInfo(found["path"], found["size"], found["last_modified"])


def _unavailable() -> DomainError:
    return unavailable("The store of files")
