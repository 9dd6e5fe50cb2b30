"""The ZIP archive of a person's data, written while it is read: it takes up neither memory nor disk.

Its last entry is a manifest with the size and the SHA-256 of each other one.
"""

import asyncio
import hashlib
import io
import zipfile
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

MANIFEST_NAME: Final = "manifest.json"
MANIFEST_VERSION: Final = 1
MAX_ARCHIVE_BYTES: Final = 512 * 1024 * 1024
"""Of all entries; a student's own and sent documents are 300 MB at most."""


class ArchiveTooLargeError(Exception):
    """The data of a person have more bytes than an archive may have."""


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file of an archive; `path` has no `..` and no name that a person has typed as it is."""

    path: str
    parts: AsyncIterable[bytes]


class ArchiveStream:
    """One archive, to be read once; `size_bytes` and `sha256` are those of what was read so far.

    What `facts` hold at the end of the entries is in the manifest.
    """

    def __init__(
        self,
        entries: AsyncIterable[ArchiveEntry],
        made_at: datetime,
        facts: dict[str, Any],
        *,
        max_bytes: int = MAX_ARCHIVE_BYTES,
    ) -> None:
        self._entries = entries
        self._made_at = made_at
        self._facts = facts
        self._max_bytes = max_bytes
        self._total_bytes = 0
        self._files: list[dict[str, Any]] = []
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """The digest, in hexadecimal digits."""
        return self._digest.hexdigest()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield the archive in parts. Raises ArchiveTooLargeError, and what the entries raise."""
        async for part in self._write():
            self.size_bytes += len(part)
            self._digest.update(part)
            yield part

    async def _write(self) -> AsyncIterator[bytes]:
        written = _WriteBuffer()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
            async for entry in self._entries:
                async for part in self._write_entry(archive, entry, written):
                    yield part
            archive.writestr(self._info(MANIFEST_NAME), self._manifest())
        yield written.take()

    async def _write_entry(
        self, archive: zipfile.ZipFile, entry: ArchiveEntry, written: "_WriteBuffer"
    ) -> AsyncIterator[bytes]:
        digest, size = hashlib.sha256(), 0
        with archive.open(self._info(entry.path), "w", force_zip64=True) as file:
            async for content in entry.parts:
                size += len(content)
                self._total_bytes += len(content)
                if self._total_bytes > self._max_bytes:
                    raise ArchiveTooLargeError
                digest.update(content)
                await _run_to_end(file.write, content)
                if part := written.take():
                    yield part
        self._files.append({"path": entry.path, "sizeBytes": size, "sha256": digest.hexdigest()})

    def _manifest(self) -> bytes:
        manifest = {
            "version": MANIFEST_VERSION,
            "createTime": self._made_at.isoformat(),
            **self._facts,
            "files": self._files,
        }
        return orjson.dumps(manifest, option=orjson.OPT_INDENT_2)

    def _info(self, path: str) -> zipfile.ZipInfo:
        at = self._made_at
        info = zipfile.ZipInfo(path, (at.year, at.month, at.day, at.hour, at.minute, at.second))
        info.compress_type = zipfile.ZIP_DEFLATED
        return info


def json_entry(path: str, value: Any) -> ArchiveEntry:
    """Return an entry with a value as JSON."""

    async def parts() -> AsyncIterator[bytes]:
        yield await asyncio.to_thread(orjson.dumps, value, option=orjson.OPT_INDENT_2)

    return ArchiveEntry(path, parts())


class _WriteBuffer(io.RawIOBase):
    """A file that cannot seek, and that gives what was written since the last time."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: Any, /) -> int:
        content = bytes(part)
        self._parts.append(content)
        return len(content)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


async def _run_to_end(write: Callable[[bytes], int], content: bytes) -> None:
    """Write in a thread; when the caller is cancelled, wait until the thread has left the archive alone."""
    writing = asyncio.ensure_future(asyncio.to_thread(write, content))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise
