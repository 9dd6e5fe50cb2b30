"""The archive of a person's data."""

import hashlib
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from services.user.service.export_archive import (
    MANIFEST_NAME,
    ArchiveEntry,
    ArchiveStream,
    ArchiveTooLargeError,
    json_entry,
)

NOW = datetime(2027, 1, 1, 12, 30, 10, tzinfo=UTC)


async def parts_of(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def entries_of(*entries: ArchiveEntry) -> AsyncIterator[ArchiveEntry]:
    for entry in entries:
        yield entry


async def written(stream: ArchiveStream) -> bytes:
    return b"".join([part async for part in stream.read()])


async def test_an_archive_has_its_files_and_their_sizes_and_digests() -> None:
    large = bytes(range(256)) * 8_000
    facts: dict[str, Any] = {"exportId": "exp_1"}
    stream = ArchiveStream(
        entries_of(
            json_entry("user/profile.json", [{"name": "Zoë"}]),
            ArchiveEntry("documents/doc_1/1_Résumé.pdf", parts_of(b"%PDF", large)),
            ArchiveEntry("documents/doc_2/1_lost.pdf", parts_of()),
        ),
        NOW,
        facts,
    )
    content = await written(stream)
    assert (stream.size_bytes, stream.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        manifest = orjson.loads(archive.read(MANIFEST_NAME))
        assert manifest["exportId"] == "exp_1"
        paths = [each["path"] for each in manifest["files"]]
        assert [*paths, MANIFEST_NAME] == archive.namelist()
        for each in manifest["files"]:
            found = archive.read(each["path"])
            assert (len(found), hashlib.sha256(found).hexdigest()) == (each["sizeBytes"], each["sha256"])
        assert orjson.loads(archive.read("user/profile.json")) == [{"name": "Zoë"}]
        assert archive.read("documents/doc_1/1_Résumé.pdf") == b"%PDF" + large
        assert archive.getinfo("user/profile.json").date_time == (2027, 1, 1, 12, 30, 10)


async def test_facts_that_become_known_while_it_is_written_are_in_the_manifest() -> None:
    missing: list[str] = []

    async def entries() -> AsyncIterator[ArchiveEntry]:
        yield json_entry("user/profile.json", [])
        missing.append("documents/doc_1/1_lost.pdf")

    content = await written(ArchiveStream(entries(), NOW, {"missingDocuments": missing}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert orjson.loads(archive.read(MANIFEST_NAME))["missingDocuments"] == missing != []


async def test_data_beyond_the_bound_make_no_archive() -> None:
    entries = entries_of(ArchiveEntry("a", parts_of(b"x" * 60)), ArchiveEntry("b", parts_of(b"y" * 60)))
    with pytest.raises(ArchiveTooLargeError):
        await written(ArchiveStream(entries, NOW, {}, max_bytes=100))


async def test_a_failure_of_a_source_is_that_of_the_archive() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await written(ArchiveStream(entries_of(ArchiveEntry("a", broken())), NOW, {}))
