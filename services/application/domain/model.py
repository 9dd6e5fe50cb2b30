"""Applications: states, history, and the data that was frozen when the student applied."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chassis.shown_states import read_shown_states

FIRST_VERSION: Final = 1
"""The version of an application that was just submitted."""


class ApplicationState(StrEnum):
    """The place of an application in the pipeline."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    IN_REVIEW = "IN_REVIEW"
    SHORTLISTED = "SHORTLISTED"
    ASSESSMENT = "ASSESSMENT"
    INTERVIEW = "INTERVIEW"
    WAITLISTED = "WAITLISTED"
    OFFERED = "OFFERED"
    HIRED = "HIRED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    CLOSED = "CLOSED"


class StudentStatus(StrEnum):
    """The status that the student is shown."""

    DRAFT = "DRAFT"
    RECEIVED = "RECEIVED"
    IN_REVIEW = "IN_REVIEW"
    TASK = "TASK"
    INTERVIEW = "INTERVIEW"
    OFFER = "OFFER"
    HIRED = "HIRED"
    NOT_SELECTED = "NOT_SELECTED"
    WITHDRAWN = "WITHDRAWN"
    CLOSED = "CLOSED"


class ApplicationActorKind(StrEnum):
    """The kind of actor that makes a move."""

    STUDENT = "STUDENT"
    COMPANY = "COMPANY"
    SYSTEM = "SYSTEM"


class ClosedReason(StrEnum):
    """Why the system closed an application."""

    LISTING_ENDED = "LISTING_ENDED"
    LISTING_FILLED = "LISTING_FILLED"
    LISTING_ARCHIVED = "LISTING_ARCHIVED"
    OFFER_EXPIRED = "OFFER_EXPIRED"
    NO_RESPONSE = "NO_RESPONSE"
    ACCOUNT_DELETED = "ACCOUNT_DELETED"
    COMPANY_SUSPENDED = "COMPANY_SUSPENDED"


STUDENT_STATUS_OF_STATE: Mapping[ApplicationState, StudentStatus] = {
    ApplicationState(name): StudentStatus(shown.status)
    for name, shown in read_shown_states("internshipconnect.application.v1.ApplicationState").items()
}

ENDED_STATES = frozenset({ApplicationState.WITHDRAWN, ApplicationState.CLOSED})
"""After these the student may apply to the same listing again; a rejection is final for a listing."""

UNDECIDED_STATES = (
    ApplicationState.SUBMITTED,
    ApplicationState.IN_REVIEW,
    ApplicationState.SHORTLISTED,
    ApplicationState.ASSESSMENT,
    ApplicationState.INTERVIEW,
    ApplicationState.WAITLISTED,
    ApplicationState.OFFERED,
)
"""Undecided states: applications in them end when their listing does."""

REVEALING_STATES = frozenset({ApplicationState.INTERVIEW, ApplicationState.OFFERED, ApplicationState.HIRED})
"""States that end a blind review for good, whatever comes after them."""

LABEL_CHARS: Final = 4
"""The characters of an application's ID that tell hidden students apart; those at its end are random."""

AWAITING_ANSWER_STATES = frozenset(UNDECIDED_STATES) - {ApplicationState.OFFERED}
"""States in which the student waits for the company, so its promise to answer counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingEnding:
    """The end of a listing, at one of its versions; with `reason` None it is open or may be again.

    `id` is the listing's. `pending` says that applications may still have to be ended.
    """

    id: str
    version: int
    reason: ClosedReason | None = None
    pending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationPolicy:
    """The time spans that an operator may set."""

    rejection_delay: timedelta = timedelta(minutes=30)
    offer_lifetime: timedelta = timedelta(days=14)
    response_time: timedelta = timedelta(days=30)
    response_grace: timedelta = timedelta(days=14)
    acceptance_timeout: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationActor:
    """The person, or the system, that moves an application; `role` is a company member's role."""

    kind: ApplicationActorKind
    id: str = ""
    role: str = ""


SYSTEM_ACTOR = ApplicationActor(kind=ApplicationActorKind.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAnswer:
    """An answer to one of the listing's questions: `text`, or `choices` for the choice kinds."""

    question_id: str
    text: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """The student when applying; `profile` is the user service's serialized message of the profile.

    `blind_headline` and `blind_profile` leave out who the student is; empty unless the company reviews blind.
    """

    name: str
    email: str
    headline: str = ""
    profile: bytes = b""
    blind_headline: str = ""
    blind_profile: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentDocument:
    """A version of a document as it was sent; `kind` is the user service's, such as RESUME."""

    document_id: str
    version: int
    kind: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SentDocumentLink:
    """An address from which a document that was sent can be downloaded for a while."""

    url: str
    version: int
    expire_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One move. The student sees it from `seen_time` on; never if that is None."""

    time: datetime
    actor: ApplicationActorKind
    actor_id: str
    source: ApplicationState
    target: ApplicationState
    seen_time: datetime | None
    note: str = ""
    operation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAcceptance:
    """The student's acceptance while an opening is being taken: no one else can move the application."""

    start_time: datetime
    student_id: str
    operation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingOffer:
    """An offer while an opening is being reserved for it: no one else can move the application."""

    start_time: datetime
    member_id: str
    role: str
    expire_time: datetime
    note: str = ""
    operation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """An order to keep an application whatever its company's rule says; `placed_by` is a moderator."""

    reason: str
    place_time: datetime
    placed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One student's application for one listing. `version` counts its changes from 1.

    `blind_answers` and `blind_cover_letter` leave out who the student is; empty unless `blind_review`.
    `respond_within` is the listing's promise; None: submitted before it was kept, `respond_by` says it.
    `due_time` is when the system has to act on it next, unless it is moved before. `ended_by` is the version
    of the listing whose end closed it last: once a person has reopened the application, that version does not
    close it again. Since `anonymise_time` nothing says who the student was; `holds_documents` says that the
    user service may still keep the documents that were sent.
    """

    id: str
    student_id: str
    internship_id: str
    internship_title: str
    internship_version: int
    company_id: str
    company_name: str
    applicant: Applicant
    answers: tuple[QuestionAnswer, ...] = ()
    cover_letter: str = ""
    documents: tuple[SentDocument, ...] = ()
    blind_review: bool = False
    blind_answers: tuple[QuestionAnswer, ...] = ()
    blind_cover_letter: str = ""
    state: ApplicationState
    history: tuple[HistoryEntry, ...]
    submit_time: datetime
    update_time: datetime
    respond_by: datetime
    respond_within: timedelta | None = None
    version: int = FIRST_VERSION
    first_response_time: datetime | None = None
    offer_expire_time: datetime | None = None
    closed_reason: ClosedReason | None = None
    acceptance: PendingAcceptance | None = None
    offering: PendingOffer | None = None
    ended_by: int = 0
    disclosed: bool = False
    due_time: datetime | None = None
    legal_hold: LegalHold | None = None
    anonymise_time: datetime | None = None
    holds_documents: bool = False

    @property
    def is_anonymous(self) -> bool:
        """Whether nothing says any more who the student was."""
        return self.anonymise_time is not None

    @property
    def is_live(self) -> bool:
        """Whether it prevents the student from applying to the same listing again."""
        return self.state not in ENDED_STATES and not self.is_anonymous

    @property
    def previous_state(self) -> ApplicationState:
        """The state from which it came into the present one."""
        return self.history[-1].source

    @property
    def last_entry(self) -> HistoryEntry:
        """The latest move."""
        return self.history[-1]

    @property
    def is_student_hidden(self) -> bool:
        """Whether the company reviews blind, and has not invited the student to an interview yet."""
        return self.blind_review and all(entry.target not in REVEALING_STATES for entry in self.history)

    @property
    def shown_name(self) -> str:
        """The name that the company is shown: a label while the student is hidden, or not known any more."""
        is_nameless = self.is_student_hidden or self.is_anonymous
        return f"Applicant {self.id[-LABEL_CHARS:]}" if is_nameless else self.applicant.name

    @property
    def shown_headline(self) -> str:
        """The headline that the company is shown."""
        return self.applicant.blind_headline if self.is_student_hidden else self.applicant.headline

    def find_document(self, document_id: str) -> SentDocument | None:
        """Return the document of that ID that was sent, or None."""
        return next((each for each in self.documents if each.document_id == document_id), None)

    def was_moved_by(self, operation_id: str) -> bool:
        """Return whether the operation of that ID (an idempotency key's) has already moved it."""
        return any(entry.operation_id == operation_id for entry in self.history)
