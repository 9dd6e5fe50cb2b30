"""The use case of the worker that makes people's copies of their own data, and deletes those that expire."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, Final, Protocol

import orjson

from chassis.aggregates import AggregateChange
from chassis.blobs import BlobNotFoundError, BlobStore
from chassis.clock import Clock
from chassis.concurrency.bounded_gather import run_for_each
from chassis.errors import DomainError
from chassis.observability.logging import get_logger
from chassis.personal_data import PersonalDataSource, PersonalRecord, iterate_personal_data
from services.user.domain.data_exports import (
    CLAIM_LIFE,
    DataExport,
    DataExportState,
    ExportArchive,
    PersonExports,
    archive_key,
    archive_keys,
)
from services.user.domain.document_holds import HeldVersion, held_version
from services.user.domain.documents import DocumentState
from services.user.domain.resume_export import export_json_resume
from services.user.download_headers import safe_file_name
from services.user.metrics import data_export_attempts, export_data_export_metrics
from services.user.repository import UserRepositories
from services.user.service.export_archive import (
    MAX_ARCHIVE_BYTES,
    ArchiveEntry,
    ArchiveStream,
    ArchiveTooLargeError,
    json_entry,
)
from services.user.service.manage_data_exports import change_of_exports

MAX_PEOPLE_PER_ROUND: Final = 20
MAX_CONCURRENT_PEOPLE: Final = 2
"""Of each process: a store may want an archive whole in memory."""
ATTEMPT_TIMEOUT_S: Final = (CLAIM_LIFE - timedelta(minutes=2)).total_seconds()
"""So an attempt has ended before its claim does, whatever hangs."""
MAX_RECORDS_BYTES: Final = 64 * 1024 * 1024
"""Of all records of a person in one service."""
OWN_SERVICE: Final = "user"
_HOLDS_PER_PAGE: Final = 100

ChangeExports = Callable[[PersonExports], PersonExports]
"""Returns the exports after a change; pure, as it may run again."""

_log = get_logger()


class PersonalDataHolders(Protocol):
    """The port to the other services that hold data of persons."""

    @property
    def holders(self) -> tuple[str, ...]: ...

    def iterate(self, holder: str, user_id: str) -> AsyncIterator[PersonalRecord]: ...


class CollectDataExports:
    """Settles exports that are due; a repeat, or the rest of a broken attempt, does no harm."""

    def __init__(
        self,
        stored: UserRepositories,
        own_data: PersonalDataSource,
        others: PersonalDataHolders,
        blobs: BlobStore,
        clock: Clock,
    ) -> None:
        self._stored = stored
        self._own_data = own_data
        self._others = others
        self._blobs = blobs
        self._clock = clock
        export_data_export_metrics()

    async def settle_due(self) -> None:
        """Make the archives that are due, and delete those whose time is over, on shards that answer."""
        people = await self._stored.exports.list_due(self._clock.now(), limit=MAX_PEOPLE_PER_ROUND)
        await run_for_each(people, self._settle_person, max_concurrent=MAX_CONCURRENT_PEOPLE)

    async def _settle_person(self, person: PersonExports) -> None:
        for export in person.list_due(self._clock.now()):
            try:
                await self._settle(person.id, export)
            except DomainError as error:
                _log.warning("data export not settled", export=export.id, error=str(error))

    async def _settle(self, user_id: str, export: DataExport) -> None:
        if export.state is DataExportState.READY:
            await self._delete_archives(user_id, export)
            await self._change(user_id, lambda found: found.with_expiry(export.id, self._clock.now()))
            return
        claimed = await self._claim(user_id, export)
        if claimed is None:
            return
        if claimed.state is DataExportState.FAILED:
            data_export_attempts.labels("given_up").inc()
            _log.error("data export given up", export=export.id, attempts=claimed.attempts)
            await self._delete_archives(user_id, claimed)
            return
        await self._attempt(user_id, claimed)

    async def _claim(self, user_id: str, export: DataExport) -> DataExport | None:
        """Return the export as this worker has it to itself; None when another one was faster."""
        is_ours = False

        def claim(found: PersonExports) -> PersonExports:
            nonlocal is_ours
            after = found.with_claim(export.id, self._clock.now())
            is_ours = after is not found
            return after

        changed = await self._change(user_id, claim)
        return changed.find_export(export.id) if is_ours else None

    async def _attempt(self, user_id: str, export: DataExport) -> None:
        """Make the archive and record it; leave it for a later attempt when something does not answer."""
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                archive = await self._store_archive(user_id, export)
        except (DomainError, TimeoutError, ArchiveTooLargeError) as error:
            data_export_attempts.labels("retried").inc()
            _log.warning(
                "data export to be tried again", export=export.id, attempt=export.attempts, error=repr(error)
            )
            await self._change(
                user_id,
                lambda found: found.with_failed_attempt(export.id, export.attempts, self._clock.now()),
            )
            return
        changed = await self._change(
            user_id,
            lambda found: found.with_archive(export.id, export.attempts, archive, self._clock.now()),
        )
        recorded = changed.find_export(export.id)
        if recorded is None or recorded.archive != archive:
            # A later attempt has taken over: nothing names this one's archive.
            await self._blobs.delete(archive.blob_key)
            return
        data_export_attempts.labels("ready").inc()
        await self._delete_archives(user_id, recorded)

    async def _store_archive(self, user_id: str, export: DataExport) -> ExportArchive:
        key = archive_key(user_id, export.id, export.attempts)
        missing: list[str] = []
        facts = {"exportId": export.id, "userId": user_id, "missingDocuments": missing}
        archive = ArchiveStream(self._entries_of(user_id, missing), self._clock.now(), facts)
        await self._blobs.put(key, archive.read(), max_bytes=2 * MAX_ARCHIVE_BYTES)
        return ExportArchive(key, archive.size_bytes, archive.sha256)

    async def _entries_of(self, user_id: str, missing: list[str]) -> AsyncIterator[ArchiveEntry]:
        """Yield all entries but the manifest; `missing` gets the paths of contents that are lost."""
        holders = {OWN_SERVICE: iterate_personal_data(self._own_data, user_id)}
        for holder in self._others.holders:
            holders[holder] = self._others.iterate(holder, user_id)
        for service, records in holders.items():
            for collection, rows in (await _by_collection(records)).items():
                yield json_entry(f"{service}/{collection}.json", rows)
        profile = await self._stored.profiles.get(user_id)
        if profile is not None and profile.student is not None:
            yield json_entry("resume.json", export_json_resume(profile))
        for path, version in (await self._find_contents(user_id)).items():
            yield ArchiveEntry(path, self._read_content(path, version.blob_key, missing))

    async def _read_content(self, path: str, blob_key: str, missing: list[str]) -> AsyncIterator[bytes]:
        """Yield a content; nothing of one that is lost, or that was deleted just now."""
        try:
            async for part in self._blobs.read(blob_key):
                yield part
        except BlobNotFoundError:
            missing.append(path)

    async def _find_contents(self, user_id: str) -> dict[str, HeldVersion]:
        """Return the contents by path: those that their owner can download, and those that were sent."""
        found = await self._stored.documents.get(user_id)
        versions = [
            held_version(document, version)
            for document, version in (found.all_versions() if found else ())
            if version.state is DocumentState.READY
        ]
        after = ""
        while page := await self._stored.holds.list_of_student(user_id, after, _HOLDS_PER_PAGE):
            versions += [version for hold in page for version in hold.versions]
            after = page[-1].id
        by_place = {(each.document_id, each.number): each for each in versions}
        return {_path_of(each): each for each in by_place.values()}

    async def _delete_archives(self, user_id: str, export: DataExport) -> None:
        """Delete what attempts have left, but for the archive of an export that is to be kept."""
        now = self._clock.now()
        kept = export.archive.blob_key if export.archive is not None and export.is_open_at(now) else ""
        for key in archive_keys(user_id, export):
            if key != kept:
                await self._blobs.delete(key)

    async def _change(self, user_id: str, change: ChangeExports) -> PersonExports:
        def decide(found: PersonExports) -> AggregateChange[PersonExports] | None:
            return change_of_exports(found, change(found))

        return await self._stored.exports.update(user_id, decide)


async def _by_collection(records: AsyncIterator[PersonalRecord]) -> dict[str, list[Any]]:
    """Return the records of each collection. Raises ArchiveTooLargeError."""
    found: dict[str, list[Any]] = {}
    size = 0
    async for record in records:
        size += len(record.json)
        if size > MAX_RECORDS_BYTES:
            raise ArchiveTooLargeError
        found.setdefault(record.collection, []).append(orjson.loads(record.json))
    return found


def _path_of(version: HeldVersion) -> str:
    """Return a path that any system can write, whatever the document is called."""
    name = safe_file_name(version.name, version.media_type)
    return f"documents/{version.document_id}/{version.number}_{name}"
