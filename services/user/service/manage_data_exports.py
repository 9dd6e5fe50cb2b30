"""The use cases of people's copies of their own data: to ask for one, to see and to download it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.blobs import BlobNotFoundError, BlobStore
from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import DomainError
from chassis.idempotency import IdempotentOperation
from chassis.ids import new_id, slot_of
from chassis.observability.logging import get_logger
from chassis.security.link_tickets import LinkTicketError, LinkTickets
from services.user.domain.data_export_events import data_export_events
from services.user.domain.data_exports import DataExport, DataExportLink, PersonExports
from services.user.domain.documents import link_invalid
from services.user.repository import DataExportRepository
from services.user.service.opened_content import open_content

LINK_LIFE: Final = timedelta(minutes=5)
MAX_DOWNLOAD_S: Final = 900.0
"""An archive may have hundreds of megabytes."""
_DOWNLOAD: Final = "download of a data export"

_log = get_logger()


@dataclass(frozen=True, slots=True)
class DownloadedArchive:
    """An archive to download; `parts` have been opened."""

    name: str
    parts: AsyncIterator[bytes]


class ManageDataExports:
    """Starts, lists and gives out the caller's exports; a ticket stands in for their owner."""

    def __init__(
        self, repository: DataExportRepository, blobs: BlobStore, tickets: LinkTickets, clock: Clock
    ) -> None:
        self._repository = repository
        self._blobs = blobs
        self._tickets = tickets
        self._clock = clock

    async def start(self, principal: Principal, operation: IdempotentOperation | None) -> DataExport:
        """Ask for an export, the same one in each run of an operation.

        Raises DATA_EXPORT_RUNNING, DATA_EXPORT_LIMIT_REACHED.
        """
        asked_at, seed = (
            (operation.started_at, operation.id.encode()) if operation else (self._clock.now(), None)
        )
        export_id = new_id("exp", slot_of(principal.id), at=asked_at, seed=seed)

        def decide(found: PersonExports | None) -> AggregateChange[PersonExports] | None:
            before = found or PersonExports(principal.id)
            if before.find_export(export_id) is not None:
                return None
            return change_of_exports(before, before.with_export(export_id, self._clock.now()))

        stored = await self._repository.upsert(principal.id, decide)
        return (stored or PersonExports(principal.id)).find_or_raise(export_id)

    async def list_all(self, principal: Principal) -> list[DataExport]:
        """Return the caller's exports, newest first."""
        return list(reversed((await self._read(principal.id)).exports))

    async def get(self, principal: Principal, export_id: str) -> DataExport:
        """Return one of the caller's exports. Raises DATA_EXPORT_NOT_FOUND."""
        return (await self._read(principal.id)).find_or_raise(export_id)

    async def download_link(self, principal: Principal, export_id: str) -> DataExportLink:
        """Return a link to an archive. Raises DATA_EXPORT_NOT_FOUND, or DATA_EXPORT_NOT_READY."""
        found, now = await self.get(principal, export_id), self._clock.now()
        if not found.is_open_at(now) or found.expire_time is None:
            raise DomainError(
                "DATA_EXPORT_NOT_READY",
                f"{export_id} is {found.state}, and cannot be downloaded.",
                resource=("data export", export_id),
            )
        expire_time = min(now + LINK_LIFE, found.expire_time)
        ticket = self._tickets.issue(_DOWNLOAD, (principal.id, export_id), expire_time)
        return DataExportLink(export_id, ticket, expire_time)

    async def download(self, export_id: str, ticket: str) -> DownloadedArchive:
        """Return the archive that a ticket names. Raises LINK_INVALID, or DATA_EXPORT_NOT_FOUND."""
        now = self._clock.now()
        try:
            (user_id, ticket_export_id), _ = self._tickets.open(_DOWNLOAD, ticket, now)
        except LinkTicketError:
            raise link_invalid() from None
        found = (await self._read(str(user_id))).find_export(export_id)
        if ticket_export_id != export_id or found is None or found.archive is None:
            raise link_invalid()
        if not found.is_open_at(now):
            raise link_invalid()
        try:
            parts = await open_content(self._blobs.read(found.archive.blob_key), max_s=MAX_DOWNLOAD_S)
        except BlobNotFoundError:
            _log.error("archive of a data export is missing", export=export_id)
            raise DomainError(
                "DATA_EXPORT_NOT_FOUND", f"The archive of {export_id} is missing; ask for another one."
            ) from None
        return DownloadedArchive(f"internshipconnect-data-{found.request_time.date().isoformat()}.zip", parts)

    async def _read(self, user_id: str) -> PersonExports:
        return await self._repository.get(user_id) or PersonExports(user_id)


def change_of_exports(before: PersonExports, after: PersonExports) -> AggregateChange[PersonExports] | None:
    """Return the change from one state to another with its events; None when they are the same."""
    if after is before:
        return None
    return AggregateChange(after.with_next_version(), data_export_events(before, after))
