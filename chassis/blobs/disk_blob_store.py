"""Blobs in files of a local disk, for one machine or a folder that machines share.

A content is written to a file beside the others, synced, and renamed to its place, so that readers see all of
it or nothing. A long segment of a key is a folder by its beginning and the rest within it, so that no folder
holds one entry for each user.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from chassis.blobs.blob_store import BlobInfo, BlobNotFoundError, bounded_parts, check_blob_key
from chassis.errors import unavailable

T = TypeVar("T")

READ_PART_BYTES: Final = 64 * 1024
SHARD_CHARS: Final = 10
"""A longer segment lies in a folder by its first characters: of an ID, those that last for four minutes."""
SHARD_SUFFIX: Final = "+"
"""Marks such a folder; no key holds it, and it sorts before all that a key can hold."""
_PARTIAL_FOLDER: Final = ".partial"
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class DiskBlobStore:
    """`BlobStore` below a folder, which is made when it is missing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._partial_folder = root / _PARTIAL_FOLDER

    async def put(self, key: str, content: AsyncIterable[bytes], *, max_bytes: int) -> BlobInfo:
        target = self._path_of(key)
        partial = self._partial_folder / secrets.token_hex(16)
        file = await _run(self._create, partial)
        try:
            with file:
                async for part in bounded_parts(content, max_bytes):
                    await _run(file.write, part)
                await _run(_sync, file)
            await _run(self._move_into_place, partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return await _run(_info_of_file, key, target)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        file = await _run(_open_or_none, self._path_of(key))
        if file is None:
            raise BlobNotFoundError(key)
        with file:
            while part := await _run(file.read, READ_PART_BYTES):
                yield part

    async def head(self, key: str) -> BlobInfo | None:
        return await _run(_info_or_none, key, self._path_of(key))

    async def delete(self, key: str) -> None:
        await _run(self._delete, self._path_of(key))

    async def list_page(self, folder: str, *, after: str = "", limit: int) -> list[BlobInfo]:
        return await _run(self._list_page, check_blob_key(folder), after, limit)

    async def remove_partial_contents(self, before: datetime) -> int:
        return await _run(self._remove_partial_contents, before)

    def _path_of(self, key: str) -> Path:
        parts = (part for segment in check_blob_key(key).split("/") for part in _path_parts(segment))
        return self._root.joinpath(*parts)

    def _create(self, partial: Path) -> BinaryIO:
        partial.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        return os.fdopen(descriptor, "wb")

    def _move_into_place(self, partial: Path, target: Path) -> None:
        while True:
            # A folder that a delete at the same time has found empty is made once more.
            try:
                target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
                partial.replace(target)
                break
            except FileNotFoundError:
                partial.stat()
            except FileExistsError:
                # `mkdir` found a folder that was gone when it looked again, unless a file is in its place.
                if target.parent.is_file():
                    raise
        for folder in (target.parent, *target.parent.parents):
            _sync_folder(folder)
            if folder == self._root:
                break

    def _delete(self, path: Path) -> None:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
            _sync_folder(path.parent)
        for folder in path.parents:
            if folder == self._root:
                break
            try:
                folder.rmdir()
            except OSError:
                break  # it holds other blobs, or is gone

    def _list_page(self, folder: str, after: str, limit: int) -> list[BlobInfo]:
        found: list[BlobInfo] = []
        for key, path in self._files_after(folder, after):
            if (info := _info_or_none(key, path)) is not None:
                found.append(info)
            if len(found) >= limit:
                break
        return found

    def _files_after(self, folder: str, after: str) -> Iterator[tuple[str, Path]]:
        start = self._path_of(folder)
        return _files_below(start, f"{folder}/", after) if start.is_dir() else iter(())

    def _remove_partial_contents(self, before: datetime) -> int:
        removed = 0
        with suppress(FileNotFoundError):
            for path in self._partial_folder.iterdir():
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < before.timestamp():
                        path.unlink()
                        removed += 1
        return removed


def _path_parts(segment: str) -> Iterator[str]:
    if len(segment) > SHARD_CHARS:
        yield segment[:SHARD_CHARS] + SHARD_SUFFIX
    yield segment


def _files_below(folder: Path, base: str, after: str) -> Iterator[tuple[str, Path]]:
    """Yield keys after `after` and their files, in order; the keys of a folder begin with `base`."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            is_shard = entry.name.endswith(SHARD_SUFFIX)
            beginning = base + entry.name.removesuffix(SHARD_SUFFIX) + ("" if is_shard else "/")
            if after <= beginning or after.startswith(beginning):
                yield from _files_below(Path(entry.path), base if is_shard else beginning, after)
        elif entry.is_file(follow_symlinks=False) and base + entry.name > after:
            yield base + entry.name, Path(entry.path)


def _info_of_file(key: str, path: Path) -> BlobInfo:
    found = path.stat()
    return BlobInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _info_or_none(key: str, path: Path) -> BlobInfo | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        return _info_of_file(key, path) if path.is_file() else None
    return None


def _open_or_none(path: Path) -> BinaryIO | None:
    with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return path.open("rb")
    return None


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


async def _run(call: Callable[..., T], *arguments: Any) -> T:
    """Call in a thread, which the disk may hold up. Raises UNAVAILABLE when the disk refuses."""
    try:
        return await asyncio.to_thread(call, *arguments)
    except OSError as error:
        raise unavailable("The store of files") from error
