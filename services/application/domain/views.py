"""One history, two views: what of an application the student is shown."""

from dataclasses import dataclass
from datetime import datetime

from services.application.domain.model import SHOWN_AS, Actor, Application, Entry, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of what the student is shown."""

    time: datetime
    actor: Actor
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentView:
    """What the student sees of an application: changes of the status, no states, notes or names.

    `version` counts the changes, so that an etag made of it does not betray what goes on unseen.
    """

    changes: tuple[Change, ...]

    @property
    def status(self) -> Status:
        """What the student is shown now."""
        return self.changes[-1].status

    @property
    def version(self) -> int:
        """How many changes the student has seen."""
        return len(self.changes)

    @property
    def update_time(self) -> datetime:
        """When the student last saw a change."""
        return self.changes[-1].time


def student_view(application: Application, now: datetime) -> StudentView:
    """The student's view as of `now`: a rejection counts from when its delay is over."""
    changes: list[Change] = []
    for entry in application.history:
        status = SHOWN_AS[entry.target]
        if entry.seen_time is None or _is_delayed(entry, now):
            continue
        if not changes or changes[-1].status is not status:
            changes.append(Change(time=entry.seen_time, actor=entry.actor, status=status))
    return StudentView(changes=tuple(changes))


def _is_delayed(entry: Entry, now: datetime) -> bool:
    """Only what was to be seen later: what was made by a clock ahead of ours is seen at once."""
    return entry.seen_time is not None and entry.time < entry.seen_time and now < entry.seen_time
