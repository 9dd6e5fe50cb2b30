"""The table of audiences: the notices of each event, and their recipients.

A student is notified only of changes that the student's view of the application shows (see the pipeline's
table of statuses); a rejection is not notified before its disclosure, nor is its undoing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypedDict

from chassis.shown_states import ShownState, read_shown_states
from chassis.time_zones import format_in_zone
from services.notification.domain.contents import (
    ApplicationChanged,
    ApplicationClosed,
    ApplicationHired,
    ApplicationInReview,
    ApplicationInterview,
    ApplicationNotSelected,
    ApplicationOffer,
    ApplicationReceived,
    ApplicationTask,
    ApplicationWithdrawn,
    CompanyApplicationContent,
    CompanyNotVerified,
    CompanySuspended,
    CompanyVerified,
    HireGivenUp,
    ListingChangesRequested,
    ListingClosed,
    ListingContent,
    ListingExpired,
    ListingFilled,
    ListingInReview,
    ListingPublished,
    ListingReinstated,
    ListingRejected,
    ListingSuspended,
    NewApplicant,
    NotificationContent,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
    StudentApplicationContent,
)

MAX_NOTICE_AGE: Final = timedelta(days=3)


@dataclass(frozen=True)
class ToUser:
    """One person, at the address of their account."""

    user_id: str


@dataclass(frozen=True)
class ToAddress:
    """One person, at the address and in the language of the event, if it has one."""

    user_id: str
    email: str
    locale: str = ""


@dataclass(frozen=True)
class ToCompany:
    """Every member of a company."""

    company_id: str


Audience = ToUser | ToAddress | ToCompany


@dataclass(frozen=True)
class Notice:
    """A content for an audience.

    With `requires_earlier`, it reaches only recipients with an earlier notification of that kind about the
    same subject.
    """

    audience: Audience
    content: NotificationContent
    requires_earlier: type[NotificationContent] | None = None


Notices = tuple[Notice, ...]


@dataclass(frozen=True, kw_only=True)
class ApplicationFacts:
    """The facts in the events of an application."""

    id: str
    student_id: str
    student_name: str
    student_headline: str
    internship_title: str
    company_id: str
    company_name: str


@dataclass(frozen=True, kw_only=True)
class ApplicationMove:
    """An application's move; states, actor and reason by their contract names, without prefix."""

    application: ApplicationFacts
    from_state: str
    to_state: str
    actor: str
    closed_reason: str = ""
    offer_expire_time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ListingChange:
    """A listing's change of state."""

    internship_id: str
    internship_title: str
    company_id: str
    from_state: str
    to_state: str
    apply_deadline: datetime | None = None
    apply_deadline_zone: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class CompanyChange:
    """A moderator's decision on a company; states by their contract names, without prefix."""

    company_id: str
    company_name: str
    to_state: str
    reason: str = ""


_STATUS_BY_STATE: Final[Mapping[str, ShownState]] = read_shown_states(
    "internshipconnect.application.v1.ApplicationState"
)
"""By state: the status that the student is shown, and how far along it is."""

_CLOSED_REASON_TEXTS: Final[Mapping[str, str]] = {
    "LISTING_ENDED": "The internship is no longer offered.",
    "LISTING_FILLED": "All places of this internship are taken.",
    "LISTING_ARCHIVED": "The company has taken the internship down.",
    "OFFER_EXPIRED": "The offer was not answered in time.",
    "NO_RESPONSE": "The company did not answer in the time that it had promised.",
    "ACCOUNT_DELETED": "The account was deleted.",
    "COMPANY_SUSPENDED": "The company can not take interns on our platform at the moment.",
}

_PROGRESS_CONTENTS: Final[Mapping[str, type[StudentApplicationContent]]] = {
    "IN_REVIEW": ApplicationInReview,
    "SHORTLISTED": ApplicationInReview,
    "WAITLISTED": ApplicationInReview,
    "ASSESSMENT": ApplicationTask,
    "INTERVIEW": ApplicationInterview,
    "HIRED": ApplicationHired,
}

_WITHDRAWAL_CONTENTS: Final[Mapping[str, type[CompanyApplicationContent]]] = {
    "OFFERED": OfferDeclined,
    "HIRED": HireGivenUp,
}

_FIRST_PUBLISHED_FROM: Final = frozenset({"DRAFT", "PENDING_REVIEW"})
_MODERATION_CONTENTS: Final[
    Mapping[str, type[ListingChangesRequested | ListingRejected | ListingSuspended]]
] = {
    "CHANGES_REQUESTED": ListingChangesRequested,
    "SUSPENDED": ListingSuspended,
    "ARCHIVED": ListingRejected,
}
"""The moderators' moves of a listing that have a reason."""
_LISTING_STATE_CONTENTS: Final[Mapping[str, type[ListingContent]]] = {
    "PENDING_REVIEW": ListingInReview,
    "EXPIRED": ListingExpired,
    "FILLED": ListingFilled,
    "CLOSED": ListingClosed,
}


def is_too_old_to_notify(happened: datetime, now: datetime) -> bool:
    """Return whether an event is too old to notify recipients of it."""
    return now - happened > MAX_NOTICE_AGE


def submission_notices(application: ApplicationFacts) -> Notices:
    """Return the confirmation to the student, and the notice of a new applicant to the company."""
    return (
        Notice(ToUser(application.student_id), ApplicationReceived(**_student_facts(application))),
        Notice(
            ToCompany(application.company_id),
            NewApplicant(**_company_facts(application), student_headline=application.student_headline),
        ),
    )


def disclosed_rejection_notices(application: ApplicationFacts) -> Notices:
    """Return the notice of a rejection to the student, who may know of it from now on."""
    return (Notice(ToUser(application.student_id), ApplicationNotSelected(**_student_facts(application))),)


def move_notices(move: ApplicationMove) -> Notices:
    """Return the notices of a move to the student and the company."""
    return (*_student_notices(move), *_company_notices(move))


def listing_change_notices(change: ListingChange) -> Notices:
    """Return the notices to the company when its listing is reviewed, published or closed."""
    content = _listing_content(change)
    return (Notice(ToCompany(change.company_id), content),) if content else ()


def company_change_notices(change: CompanyChange) -> Notices:
    """Return the notices of a moderator's decision to the company's members."""
    content = _company_content(change)
    return (Notice(ToCompany(change.company_id), content),) if content else ()


def _company_content(change: CompanyChange) -> NotificationContent | None:
    match change.to_state:
        case "VERIFIED":
            return CompanyVerified(company_id=change.company_id, company_name=change.company_name)
        case "REJECTED":
            kind: type[CompanyNotVerified | CompanySuspended] = CompanyNotVerified
        case "SUSPENDED":
            kind = CompanySuspended
        case _:
            return None
    return kind(company_id=change.company_id, company_name=change.company_name, reason=change.reason)


def _listing_content(change: ListingChange) -> NotificationContent | None:
    if change.to_state == "OPEN" and change.from_state in _FIRST_PUBLISHED_FROM:
        return ListingPublished(
            internship_id=change.internship_id,
            internship_title=change.internship_title,
            apply_deadline=change.apply_deadline,
            deadline_as_meant=_deadline_in_its_zone(change),
        )
    if change.to_state == "OPEN" and change.from_state == "SUSPENDED":
        return ListingReinstated(internship_id=change.internship_id, internship_title=change.internship_title)
    if change.reason and (judged := _MODERATION_CONTENTS.get(change.to_state)):
        return judged(
            internship_id=change.internship_id,
            internship_title=change.internship_title,
            reason=change.reason,
        )
    ending = _LISTING_STATE_CONTENTS.get(change.to_state)
    if ending is None:
        return None
    return ending(internship_id=change.internship_id, internship_title=change.internship_title)


def _deadline_in_its_zone(change: ListingChange) -> str:
    if change.apply_deadline is None or not change.apply_deadline_zone:
        return ""
    return format_in_zone(change.apply_deadline, change.apply_deadline_zone)


def _student_notices(move: ApplicationMove) -> Notices:
    student = ToUser(move.application.student_id)
    was, shown = _STATUS_BY_STATE[move.from_state], _STATUS_BY_STATE[move.to_state]
    if move.to_state == "REJECTED" or shown.status == was.status or _is_caused_by_student(move):
        return ()
    back = ApplicationChanged(**_student_facts(move.application), status=shown.words)
    if move.from_state == "REJECTED":
        return (Notice(student, back, requires_earlier=ApplicationNotSelected),)
    if move.to_state == "CLOSED":
        return (Notice(student, _closed_content(move)),)
    return (Notice(student, back if shown.step < was.step else _progress_content(move)),)


def _is_caused_by_student(move: ApplicationMove) -> bool:
    return move.to_state == "WITHDRAWN" or move.from_state == "DRAFT"


def _closed_content(move: ApplicationMove) -> NotificationContent:
    reason = _CLOSED_REASON_TEXTS.get(move.closed_reason, _CLOSED_REASON_TEXTS["LISTING_ENDED"])
    return ApplicationClosed(**_student_facts(move.application), reason=reason)


def _progress_content(move: ApplicationMove) -> NotificationContent:
    if move.to_state == "OFFERED":
        return ApplicationOffer(**_student_facts(move.application), expire_time=move.offer_expire_time)
    return _PROGRESS_CONTENTS[move.to_state](**_student_facts(move.application))


def _company_notices(move: ApplicationMove) -> Notices:
    rule = _COMPANY_CONTENT_RULES.get(move.to_state)
    kind = rule(move) if rule else None
    if kind is None:
        return ()
    return (Notice(ToCompany(move.application.company_id), kind(**_company_facts(move.application))),)


def _hire_content_type(move: ApplicationMove) -> type[CompanyApplicationContent] | None:
    return OfferAccepted if move.actor == "STUDENT" else None


def _withdrawal_content_type(move: ApplicationMove) -> type[CompanyApplicationContent] | None:
    return _WITHDRAWAL_CONTENTS.get(move.from_state, ApplicationWithdrawn)


def _closed_content_type(move: ApplicationMove) -> type[CompanyApplicationContent] | None:
    return OfferExpired if move.closed_reason == "OFFER_EXPIRED" else None


_COMPANY_CONTENT_RULES: Final[
    Mapping[str, Callable[[ApplicationMove], type[CompanyApplicationContent] | None]]
] = {
    "HIRED": _hire_content_type,
    "WITHDRAWN": _withdrawal_content_type,
    "CLOSED": _closed_content_type,
}


class _StudentFacts(TypedDict):
    application_id: str
    internship_title: str
    company_name: str


class _CompanyFacts(TypedDict):
    application_id: str
    internship_title: str
    student_name: str


def _student_facts(application: ApplicationFacts) -> _StudentFacts:
    return {
        "application_id": application.id,
        "internship_title": application.internship_title,
        "company_name": application.company_name,
    }


def _company_facts(application: ApplicationFacts) -> _CompanyFacts:
    return {
        "application_id": application.id,
        "internship_title": application.internship_title,
        "student_name": application.student_name,
    }
