"""A person's copies of their own data: when one may be asked for, how far each has come, and when it goes.

All exports of one person are one aggregate, because the limits are rules about all of them. A worker claims
an export until its `due_time`; if the worker dies the export is due again then, and another one begins again
under the next number of attempt, so that two of them never write the same blob.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chassis.errors import DomainError, not_found

MAX_EXPORTS_PER_DAY: Final = 3
MAX_KEPT_ENDED: Final = 10
"""The exports that are over and still listed."""
MAX_ATTEMPTS: Final = 10
"""With the pauses between them they take some five hours."""
EXPORT_LIFE: Final = timedelta(days=7)
CLAIM_LIFE: Final = timedelta(minutes=10)
"""Longer than an attempt may take."""
MAX_RETRY_PAUSE: Final = timedelta(hours=1)
EXPORT_FOLDER: Final = "exports"
"""The first segment of the keys of all archives."""
_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)


class DataExportState(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    REQUESTED = "REQUESTED"
    COLLECTING = "COLLECTING"
    READY = "READY"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


DATA_EXPORT_TRANSITIONS: Final[Mapping[DataExportState, frozenset[DataExportState]]] = {
    DataExportState.REQUESTED: frozenset({DataExportState.COLLECTING}),
    DataExportState.COLLECTING: frozenset(
        {DataExportState.COLLECTING, DataExportState.READY, DataExportState.FAILED}
    ),
    DataExportState.READY: frozenset({DataExportState.EXPIRED}),
    DataExportState.FAILED: frozenset(),
    DataExportState.EXPIRED: frozenset(),
}
"""The states that follow an export's state; COLLECTING follows itself with each further attempt."""
RUNNING_STATES: Final = frozenset({DataExportState.REQUESTED, DataExportState.COLLECTING})
_ENDED_STATES: Final = frozenset({DataExportState.FAILED, DataExportState.EXPIRED})


@dataclass(frozen=True, slots=True)
class ExportArchive:
    """A stored archive; `sha256` in hexadecimal digits."""

    blob_key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DataExport:
    """One copy. `due_time` is when a worker has to do the next thing about it; None when it is over.

    `attempts` counts from 1 with the first attempt at collecting the data.
    """

    id: str
    state: DataExportState
    request_time: datetime
    update_time: datetime
    due_time: datetime | None
    attempts: int = 0
    archive: ExportArchive | None = None
    expire_time: datetime | None = None

    @property
    def is_running(self) -> bool:
        """Whether its data are still to be collected."""
        return self.state in RUNNING_STATES

    def is_due_at(self, now: datetime) -> bool:
        """Return whether a worker has something to do about it."""
        return self.due_time is not None and self.due_time <= now

    def is_open_at(self, now: datetime) -> bool:
        """Return whether its archive can be downloaded."""
        return self.archive is not None and self.expire_time is not None and now < self.expire_time

    def in_state(self, state: DataExportState, now: datetime, due_time: datetime | None) -> "DataExport":
        """Return the export in a state that may follow. Raises ValueError for any other."""
        if state not in DATA_EXPORT_TRANSITIONS[self.state]:
            raise ValueError(f"an export that is {self.state} does not become {state}")
        return replace(self, state=state, update_time=now, due_time=due_time)


@dataclass(frozen=True, slots=True)
class PersonExports:
    """All exports of one person, oldest first; `id` is the person's.

    Version 0 has not been stored yet. `due_time` is the earliest one of the exports.
    """

    id: str
    exports: tuple[DataExport, ...] = ()
    due_time: datetime | None = None
    version: int = 0

    @property
    def running(self) -> DataExport | None:
        """The export whose data are being collected; there is one at most."""
        return next((each for each in self.exports if each.is_running), None)

    def find_export(self, export_id: str) -> DataExport | None:
        """Return the export of that ID, or None."""
        return next((each for each in self.exports if each.id == export_id), None)

    def find_or_raise(self, export_id: str) -> DataExport:
        """Return the export of that ID. Raises DATA_EXPORT_NOT_FOUND."""
        found = self.find_export(export_id)
        if found is None:
            raise not_found("DATA_EXPORT_NOT_FOUND", "data export", export_id)
        return found

    def list_due(self, now: datetime) -> Iterator[DataExport]:
        """Yield those about which a worker has something to do."""
        return (each for each in self.exports if each.is_due_at(now))

    def with_export(self, export_id: str, now: datetime) -> "PersonExports":
        """Ask for an export.

        Raises DATA_EXPORT_RUNNING while there is one, and DATA_EXPORT_LIMIT_REACHED after those of a day.
        """
        if (running := self.running) is not None:
            raise DomainError(
                "DATA_EXPORT_RUNNING",
                f"{running.id} is being made; wait until it is READY.",
                resource=("data export", running.id),
            )
        recent = [
            each
            for each in self.exports
            if each.state is not DataExportState.FAILED and now - each.request_time < _DAY
        ]
        if len(recent) >= MAX_EXPORTS_PER_DAY:
            raise DomainError(
                "DATA_EXPORT_LIMIT_REACHED",
                f"You have asked for {len(recent)} copies of your data within a day; use one of these, or "
                "ask again tomorrow.",
            )
        asked = DataExport(export_id, DataExportState.REQUESTED, now, now, now)
        return replace(self, exports=_without_oldest_ended((*self.exports, asked)))

    def with_claim(self, export_id: str, now: datetime) -> "PersonExports":
        """Begin the next attempt at an export that is due, or give it up after the last one.

        The same object when it is not due any more: another worker was faster.
        """
        found = self.find_export(export_id)
        if found is None or not found.is_running or not found.is_due_at(now):
            return self
        if found.attempts >= MAX_ATTEMPTS:
            return self._with_changed(found.in_state(DataExportState.FAILED, now, None))
        claimed = found.in_state(DataExportState.COLLECTING, now, now + CLAIM_LIFE)
        return self._with_changed(replace(claimed, attempts=found.attempts + 1))

    def with_archive(
        self, export_id: str, attempt: int, archive: ExportArchive, now: datetime
    ) -> "PersonExports":
        """Record the archive of an attempt; the same object when a later attempt has taken over."""
        found = self._find_attempt(export_id, attempt)
        if found is None:
            return self
        expire_time = now + EXPORT_LIFE
        ready = found.in_state(DataExportState.READY, now, expire_time)
        return self._with_changed(replace(ready, archive=archive, expire_time=expire_time))

    def with_failed_attempt(self, export_id: str, attempt: int, now: datetime) -> "PersonExports":
        """Let an export be tried again after a pause that grows; the same object as in `with_archive`."""
        found = self._find_attempt(export_id, attempt)
        if found is None:
            return self
        pause = min(2 ** (attempt - 1) * _MINUTE, MAX_RETRY_PAUSE)
        return self._with_changed(replace(found, update_time=now, due_time=now + pause))

    def with_expiry(self, export_id: str, now: datetime) -> "PersonExports":
        """Record that the archive of an export is gone, if its time is over."""
        found = self.find_export(export_id)
        if found is None or found.state is not DataExportState.READY or not found.is_due_at(now):
            return self
        return self._with_changed(replace(found.in_state(DataExportState.EXPIRED, now, None), archive=None))

    def with_next_version(self) -> "PersonExports":
        """Return the next version, as it is stored."""
        due = [each.due_time for each in self.exports if each.due_time is not None]
        return replace(self, due_time=min(due, default=None), version=self.version + 1)

    def _find_attempt(self, export_id: str, attempt: int) -> DataExport | None:
        found = self.find_export(export_id)
        if found is None or found.state is not DataExportState.COLLECTING or found.attempts != attempt:
            return None
        return found

    def _with_changed(self, changed: DataExport) -> "PersonExports":
        exports = (changed if each.id == changed.id else each for each in self.exports)
        return replace(self, exports=tuple(exports))


@dataclass(frozen=True, slots=True)
class DataExportLink:
    """A ticket for a link to an archive, and when it expires."""

    export_id: str
    ticket: str
    expire_time: datetime


def archive_key(user_id: str, export_id: str, attempt: int) -> str:
    """Return the key of the archive that an attempt makes."""
    return f"{EXPORT_FOLDER}/{user_id}/{export_id}/{attempt}"


def archive_keys(user_id: str, export: DataExport) -> tuple[str, ...]:
    """Return the keys of all archives that attempts at an export can have left."""
    return tuple(archive_key(user_id, export.id, attempt + 1) for attempt in range(export.attempts))


def _without_oldest_ended(exports: tuple[DataExport, ...]) -> tuple[DataExport, ...]:
    ended = [each.id for each in exports if each.state in _ENDED_STATES]
    dropped = frozenset(ended[:-MAX_KEPT_ENDED])
    return tuple(each for each in exports if each.id not in dropped)
