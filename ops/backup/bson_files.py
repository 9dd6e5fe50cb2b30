"""Files of BSON documents, one after the other, compressed by gzip: what `bsondump` reads, too."""

import gzip
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, cast

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from ops.backup.manifest import BackupFile

SUFFIX: Final = ".bson.gz"
COMPRESSION_LEVEL: Final = 1
RAW_CODEC: Final[CodecOptions[RawBSONDocument]] = CodecOptions(document_class=RawBSONDocument)
"""Documents are copied without being decoded."""
_OWNER_ONLY_MODE: Final = 0o600


class _HashingFile:
    """Passes on the written bytes, and keeps their digest and length."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.length = 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.length += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class BsonFileWriter:
    """Writes a new file `<name>.bson.gz` of a folder, which only this user can read; not thread-safe."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = f"{name}{SUFFIX}"
        place = folder / self._path
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY_MODE)
        self._file = os.fdopen(handle, "wb")
        self._hashing = _HashingFile(self._file)
        self._gzip = gzip.GzipFile(
            filename="",
            mode="wb",
            compresslevel=COMPRESSION_LEVEL,
            fileobj=cast(BinaryIO, self._hashing),
            mtime=0,
        )
        self.documents = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, data: bytes, documents: int) -> None:
        """Append this number of documents, given as their bytes."""
        self._gzip.write(data)
        self.documents += documents

    def finish(self) -> BackupFile:
        """End the file, wait until the disk holds it, and return what the manifest says of it."""
        self._gzip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        return BackupFile(self._path, self._hashing.hexdigest(), self._hashing.length, self.documents)


def read_bson_file(path: Path) -> Iterator[RawBSONDocument]:
    """Yield the documents of a file, in order."""
    with gzip.open(path, "rb") as file:
        yield from bson.decode_file_iter(cast(Any, file), codec_options=RAW_CODEC)


def read_batches(path: Path, *, max_documents: int, max_bytes: int) -> Iterator[list[RawBSONDocument]]:
    """Yield the documents of a file in batches, which end when they reach one of the bounds."""
    batch: list[RawBSONDocument] = []
    size = 0
    for document in read_bson_file(path):
        batch.append(document)
        size += len(document.raw)
        if len(batch) >= max_documents or size >= max_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
