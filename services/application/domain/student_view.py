"""The student's view of an application's history."""

from dataclasses import dataclass
from datetime import datetime

from services.application.domain.model import (
    STUDENT_STATUS_OF_STATE,
    Application,
    ApplicationActorKind,
    HistoryEntry,
    StudentStatus,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A change of the status that the student is shown."""

    time: datetime
    actor: ApplicationActorKind
    status: StudentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentView:
    """The student's view of an application: changes of the status, no states, notes or names.

    `version` counts the changes, so that an etag made of it does not disclose invisible moves.
    """

    changes: tuple[StatusChange, ...]

    @property
    def status(self) -> StudentStatus:
        """The status that the student is shown now."""
        return self.changes[-1].status

    @property
    def version(self) -> int:
        """The number of changes that the student has seen."""
        return len(self.changes)

    @property
    def update_time(self) -> datetime:
        """When the student last saw a change."""
        return self.changes[-1].time


def student_view(application: Application, now: datetime) -> StudentView:
    """Return the student's view as of `now`: a rejection counts from when its delay is over."""
    changes: list[StatusChange] = []
    for entry in application.history:
        status = STUDENT_STATUS_OF_STATE[entry.target]
        if entry.seen_time is None or _is_delayed(entry, now):
            continue
        if not changes or changes[-1].status is not status:
            changes.append(StatusChange(time=entry.seen_time, actor=entry.actor, status=status))
    return StudentView(changes=tuple(changes))


def _is_delayed(entry: HistoryEntry, now: datetime) -> bool:
    """Return whether the entry is to be seen later; one made by a clock that is ahead is seen at once."""
    return entry.seen_time is not None and entry.time < entry.seen_time and now < entry.seen_time
