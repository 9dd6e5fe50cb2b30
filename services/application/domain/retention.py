"""How long companies keep applications that are over, and what remains of them afterwards.

Each company has a rule, from 90 days, in which a rejection can still be undone, to two years. After that
nothing of an application says who the student was; its state, its times and its moves remain, so that the
company's counts stay true. A legal hold stops this for one application, until it is lifted.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from chassis.errors import DomainError
from services.application.domain.model import (
    Applicant,
    Application,
    ApplicationActorKind,
    ApplicationState,
    HistoryEntry,
    LegalHold,
)

MIN_RETENTION_DAYS: Final = 90
DEFAULT_RETENTION_DAYS: Final = 183
"""Six months."""
MAX_RETENTION_DAYS: Final = 730
MAX_RECHECK_PAUSE: Final = timedelta(days=30)
"""An application is looked at again after this time: its company's rule may have become shorter."""
RETAINED_STATES: Final = frozenset(
    {ApplicationState.REJECTED, ApplicationState.WITHDRAWN, ApplicationState.CLOSED}
)
"""The states of applications that are over; a hire is for the company's own records."""


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """A company's rule, by the company's ID. Version 0 has not been stored: it is the default."""

    id: str
    days: int = DEFAULT_RETENTION_DAYS
    version: int = 0

    def with_days(self, days: int) -> "RetentionRule":
        """Return the rule with another time. Raises ValueError beyond the bounds, as the contract does."""
        if not MIN_RETENTION_DAYS <= days <= MAX_RETENTION_DAYS:
            raise ValueError(f"applications are kept for {MIN_RETENTION_DAYS} to {MAX_RETENTION_DAYS} days")
        return self if days == self.days else replace(self, days=days, version=self.version + 1)

    def end_of(self, application: Application) -> datetime:
        """Return when the application is not to be kept any longer."""
        return application.last_entry.time + timedelta(days=self.days)


def first_check_time(application: Application) -> datetime | None:
    """Return when retention has to be checked at the earliest; None when it has not, as things are.

    An anonymous application has to be checked while documents of it may still be kept.
    """
    if application.is_anonymous:
        return application.anonymise_time if application.holds_documents else None
    if application.state not in RETAINED_STATES or application.legal_hold is not None:
        return None
    return application.last_entry.time + timedelta(days=MIN_RETENTION_DAYS)


def next_check_time(application: Application, rule: RetentionRule, now: datetime) -> datetime:
    """Return when retention has to be checked again, if the application is still to be kept."""
    return min(rule.end_of(application), now + MAX_RECHECK_PAUSE)


def is_retention_over(application: Application, rule: RetentionRule, now: datetime) -> bool:
    """Return whether the application is not to be kept any longer."""
    is_kept = application.is_anonymous or first_check_time(application) is None
    return not is_kept and rule.end_of(application) <= now


def anonymised(application: Application, now: datetime) -> Application | None:
    """Return the application without all that says who the student was; None when nothing changes.

    That is for one that is anonymous already, and for one on hold.
    """
    if application.is_anonymous or application.legal_hold is not None:
        return None
    return replace(
        application,
        student_id="",
        applicant=Applicant(name="", email=""),
        answers=(),
        cover_letter="",
        documents=(),
        blind_answers=(),
        blind_cover_letter="",
        history=tuple(map(_anonymised_entry, application.history)),
        update_time=now,
        version=application.version + 1,
        due_time=None,
        anonymise_time=now,
        holds_documents=bool(application.documents),
    )


def without_documents(application: Application) -> Application | None:
    """Return the anonymous application of which no document is kept any more; None when that is known."""
    if not application.holds_documents:
        return None
    return replace(application, holds_documents=False, version=application.version + 1)


def with_legal_hold(application: Application, hold: LegalHold) -> Application | None:
    """Return the application on hold; None when it is already. Raises APPLICATION_ANONYMISED."""
    if application.is_anonymous:
        raise DomainError(
            "APPLICATION_ANONYMISED",
            f"The data of {application.id} are gone: there is nothing to hold.",
            resource=("application", application.id),
        )
    if application.legal_hold is not None:
        return None
    return replace(application, legal_hold=hold, version=application.version + 1)


def without_legal_hold(application: Application) -> Application | None:
    """Return the application whose hold is lifted; None when there is none."""
    if application.legal_hold is None:
        return None
    return replace(application, legal_hold=None, version=application.version + 1)


def _anonymised_entry(entry: HistoryEntry) -> HistoryEntry:
    is_students = entry.actor is ApplicationActorKind.STUDENT
    return replace(entry, actor_id="" if is_students else entry.actor_id, note="", operation_id="")
