"""Listings: the posting that the company writes, and its states."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chassis.errors import DomainError, not_found


class ListingState(StrEnum):
    """The states of a listing."""

    DRAFT = "DRAFT"
    PENDING_REVIEW = "PENDING_REVIEW"
    CHANGES_REQUESTED = "CHANGES_REQUESTED"
    OPEN = "OPEN"
    PAUSED = "PAUSED"
    FILLED = "FILLED"
    EXPIRED = "EXPIRED"
    CLOSED = "CLOSED"
    ARCHIVED = "ARCHIVED"
    SUSPENDED = "SUSPENDED"


PUBLIC_STATES = frozenset(
    {ListingState.OPEN, ListingState.PAUSED, ListingState.FILLED, ListingState.EXPIRED, ListingState.CLOSED}
)
"""States in which everybody may read a listing."""


class ModerationDecision(StrEnum):
    """What a moderator decides about a listing."""

    APPROVE = "APPROVE"
    REQUEST_CHANGES = "REQUEST_CHANGES"
    REJECT = "REJECT"
    SUSPEND = "SUSPEND"
    REINSTATE = "REINSTATE"


class ActorKind(StrEnum):
    """The kind of actor that makes a move."""

    COMPANY = "COMPANY"
    MODERATOR = "MODERATOR"
    SYSTEM = "SYSTEM"


class WorkMode(StrEnum):
    """The place of the work."""

    ON_SITE = "ON_SITE"
    HYBRID = "HYBRID"
    REMOTE = "REMOTE"


class Employment(StrEnum):
    """Full or part time."""

    FULL_TIME = "FULL_TIME"
    PART_TIME = "PART_TIME"


class PayUnit(StrEnum):
    """The period that the pay is for."""

    HOUR = "HOUR"
    WEEK = "WEEK"
    MONTH = "MONTH"
    TOTAL = "TOTAL"


class QuestionKind(StrEnum):
    """The kind of answer that a question takes."""

    TEXT = "TEXT"
    YES_NO = "YES_NO"
    SINGLE_CHOICE = "SINGLE_CHOICE"
    MULTIPLE_CHOICE = "MULTIPLE_CHOICE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingCompany:
    """A company as its listings name it."""

    id: str
    name: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingLocation:
    """A place on the map; `country` is an ISO 3166-1 alpha-2 code, `lat` and `lng` are degrees."""

    city: str = ""
    region: str = ""
    country: str = ""
    lat: float | None = None
    lng: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """The pay, in minor units of `currency`; `max_minor` 0 means the same as the lower end."""

    paid: bool = False
    min_minor: int = 0
    max_minor: int = 0
    currency: str = ""
    unit: PayUnit | None = None
    unpaid_basis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillNeed:
    """A skill that a listing asks for."""

    name: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DateWindow:
    """A span of days, ISO 8601; either end may be open ("")."""

    first: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """Who may apply; graduation in months (`2027-06`), work authorisation as country codes."""

    school_years: tuple[str, ...] = ()
    majors: tuple[str, ...] = ()
    graduation_from: str = ""
    graduation_to: str = ""
    work_authorisation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that applicants answer; `id` is unique within the listing."""

    id: str
    kind: QuestionKind
    text: str
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """The fields that the company writes and may change."""

    title: str = ""
    description: str = ""
    responsibilities: tuple[str, ...] = ()
    qualifications: tuple[str, ...] = ()
    locations: tuple[ListingLocation, ...] = ()
    work_mode: WorkMode | None = None
    employment: Employment | None = None
    compensation: Compensation | None = None
    skills: tuple[SkillNeed, ...] = ()
    field: str = ""
    duration_weeks: int = 0
    hours_per_week: int = 0
    start_window: DateWindow | None = None
    openings: int = 1
    apply_open_time: datetime | None = None
    apply_deadline: datetime | None = None
    apply_deadline_zone: str = ""
    """The time zone of the deadline; UTC when empty."""
    apply_deadline_date: str = ""
    """The day at whose end in that zone the deadline is, when it was given as a day."""
    eligibility: Eligibility | None = None
    questions: tuple[Question, ...] = ()
    documents_required: tuple[str, ...] = ()
    respond_within_days: int = 0
    external_id: str = ""
    blind_review: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The actor of a move: its kind and account ("" for the system)."""

    kind: ActorKind
    id: str = ""


SYSTEM_ACTOR = Actor(kind=ActorKind.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """One move of the history."""

    time: datetime
    actor: ActorKind
    actor_id: str
    source: ListingState
    target: ListingState
    version: int
    reason: str = ""
    """The reason that a person gave."""
    of_company: bool = False
    """Whether the move is part of the suspension of the whole company."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A listing. `version` counts its changes from 1.

    `hires` is the number of openings that are taken, `offers` of those reserved for standing offers.
    `history` holds its moves, oldest first, the latest `MAX_HISTORY_LENGTH` of them; `operations` the latest
    operations that changed it, so that a repeat is recognised.
    """

    id: str
    company: ListingCompany
    posting: Posting
    state: ListingState = ListingState.DRAFT
    hires: int = 0
    offers: int = 0
    version: int = 1
    history: tuple[StateChange, ...] = ()
    operations: tuple[str, ...] = ()
    create_time: datetime
    update_time: datetime
    publish_time: datetime | None = None

    @property
    def is_full(self) -> bool:
        """Whether all openings are taken."""
        return self.hires >= self.posting.openings

    @property
    def taken_or_offered(self) -> int:
        """The openings that are taken or reserved for an offer."""
        return self.hires + self.offers


MAX_HISTORY_LENGTH = 100
"""Enough for years of pausing and renewing, and a bound on the document."""
MAX_REMEMBERED_OPERATIONS = 20


def listing_not_found(listing_id: str) -> DomainError:
    """Return INTERNSHIP_NOT_FOUND: a missing and a hidden listing look alike."""
    return not_found("INTERNSHIP_NOT_FOUND", "internship", listing_id)
