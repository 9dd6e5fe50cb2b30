"""The manifest of a backup: its time, its files with their digests, and its numbers of documents.

It is written last: a folder without it is no backup.
"""

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec

from ops.errors import OpsError

FORMAT: Final = 1
MANIFEST_FILE: Final = "manifest.json"
_READ_BYTES: Final = 1 << 20
_OWNER_ONLY_MODE: Final = 0o600


class BackupFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: its path within the folder, its length in bytes, and the number of documents in it."""

    path: str
    sha256: str
    bytes: int
    documents: int


class ShardBackup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The files of one shard.

    `collections` names by collection the file with its documents. `changes` holds what changed while these
    were copied, in order, and `events` the outbox rows that were inserted since `Manifest.events_since`.
    `counts` has the number of documents by collection at the backup's time; those that could not be counted
    in time are missing.
    """

    server_version: str
    collections: dict[str, BackupFile]
    changes: BackupFile
    events: BackupFile
    counts: dict[str, int]

    @property
    def files(self) -> list[BackupFile]:
        """All of them."""
        return [*self.collections.values(), self.changes, self.events]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A complete backup.

    `time` is the second, since 1970, up to which it contains the changes of every shard; `events_since` the
    second from which on it contains all events, also those that had been sent. `slot_map` is the map of the
    cluster that was backed up; `left_out` names collections that no service declares.
    """

    format: int
    id: str
    cluster: str
    created: str
    version: str
    time: int
    events_since: int
    slot_map: dict[str, Any]
    shards: dict[str, ShardBackup]
    left_out: list[str] = []

    @property
    def files(self) -> list[BackupFile]:
        """The files of all shards."""
        return [file for shard in self.shards.values() for file in shard.files]

    @property
    def collections(self) -> list[str]:
        """The names of all collections, `database.collection`."""
        return sorted({name for shard in self.shards.values() for name in shard.collections})

    def count_documents(self) -> Counter[str]:
        """Return the number of documents by collection, of those that every shard has counted."""
        total = Counter[str]()
        for shard in self.shards.values():
            total.update(shard.counts)
        counted = [name for name in total if all(name in shard.counts for shard in self.shards.values())]
        return Counter({name: total[name] for name in counted})


class _SignedManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    backup: msgspec.Raw


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all."""
    content = msgspec.json.encode(manifest)
    signed = msgspec.json.encode(_SignedManifest(hashlib.sha256(content).hexdigest(), msgspec.Raw(content)))
    unfinished = folder / f".{MANIFEST_FILE}"
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY_MODE), "wb") as file:
        file.write(signed)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(folder / MANIFEST_FILE)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Have the disk hold the names of the folder's files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of a backup.

    Raises:
        OpsError: there is no complete backup in the folder, or its manifest is damaged or of another format.
    """
    path = folder / MANIFEST_FILE
    if not folder.is_dir():
        raise OpsError(f"there is no folder {folder}")
    if not path.exists():
        raise OpsError(
            f"{folder} holds no complete backup: {MANIFEST_FILE}, which is written last, is missing; "
            "a backup that was broken off cannot be used"
        )
    try:
        signed = msgspec.json.decode(path.read_bytes(), type=_SignedManifest)
        if hashlib.sha256(bytes(signed.backup)).hexdigest() != signed.sha256:
            raise OpsError(f"{path} is damaged: its content does not match its sha256")
        _require_known_format(path, signed.backup)
        return msgspec.json.decode(signed.backup, type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise OpsError(f"{path} is damaged: {error}") from error


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Read all files of a backup.

    Raises:
        OpsError: some are missing or damaged; the message names each.
    """
    if problems := [problem for file in manifest.files if (problem := _find_problem(folder, file))]:
        raise OpsError(f"the backup {folder} cannot be used:\n  " + "\n  ".join(problems))


def _require_known_format(path: Path, content: msgspec.Raw) -> None:
    found = msgspec.json.decode(content, type=dict[str, Any]).get("format")
    if found != FORMAT:
        raise OpsError(f"{path} has the format {found}, and this version reads {FORMAT} only")


def _find_problem(folder: Path, file: BackupFile) -> str | None:
    path = folder / file.path
    try:
        if path.stat().st_size != file.bytes:
            return f"{file.path} is damaged: it has {path.stat().st_size:,} bytes instead of {file.bytes:,}"
        if _digest_file(path) != file.sha256:
            return f"{file.path} is damaged: its content does not match its sha256"
    except FileNotFoundError:
        return f"{file.path} is missing"
    except OSError as error:
        return f"{file.path} cannot be read: {error.strerror}"
    return None


def _digest_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()
