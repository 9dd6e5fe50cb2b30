"""Requests, answers, events and peers' answers as the domain's types, and back."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from chassis.call_context import Principal
from chassis.message_fields import EnumNames, from_field, read_timestamp, set_from_field, to_datetime
from chassis.mongo.documents import format_etag
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.user.v1 import documents_pb2 as documents
from internshipconnect.user.v1 import profiles_pb2 as profiles
from internshipconnect.user.v1 import user_pb2 as user
from services.application.domain.applicants import ApplicantRow
from services.application.domain.events import (
    AcceptanceWasStarted,
    ApplicationEvent,
    ApplicationWasAnonymised,
    ApplicationWasMoved,
    ApplicationWasSubmitted,
    RejectionWasDisclosed,
)
from services.application.domain.looks import ApplicationLook
from services.application.domain.model import (
    STUDENT_STATUS_OF_STATE,
    Applicant,
    Application,
    ApplicationActor,
    ApplicationActorKind,
    ApplicationState,
    ClosedReason,
    HistoryEntry,
    ListingEnding,
    QuestionAnswer,
    SentDocument,
    SentDocumentLink,
)
from services.application.domain.student_view import StatusChange, student_view
from services.application.domain.submission import (
    IntakeQuestion,
    IntakeQuestionKind,
    ListingIntake,
    StudentSnapshot,
)
from services.application.domain.transitions import allowed_targets

_STATES: Final = EnumNames(pb.ApplicationState.DESCRIPTOR)
_STATUSES: Final = EnumNames(pb.StudentStatus.DESCRIPTOR)
_ACTORS: Final = EnumNames(pb.Actor.DESCRIPTOR)
_CLOSED_REASONS: Final = EnumNames(pb.ClosedReason.DESCRIPTOR)
_LISTING_STATES: Final = EnumNames(internship.InternshipState.DESCRIPTOR)
_ROLES: Final = EnumNames(common.CompanyRole.DESCRIPTOR)
_ACCESS_KINDS: Final = EnumNames(profiles.ProfileAccessKind.DESCRIPTOR)
_DOCUMENT_KINDS: Final = EnumNames(documents.DocumentKind.DESCRIPTOR)
_QUESTION_KINDS: Final = EnumNames(internship.QuestionKind.DESCRIPTOR)

_ENDING_REASONS: Final[Mapping[int, ClosedReason]] = {
    internship.INTERNSHIP_STATE_FILLED: ClosedReason.LISTING_FILLED,
    internship.INTERNSHIP_STATE_CLOSED: ClosedReason.LISTING_ENDED,
    internship.INTERNSHIP_STATE_ARCHIVED: ClosedReason.LISTING_ARCHIVED,
}
"""States that end live applications; EXPIRED and PAUSED only stop submissions, SUSPENDED may be undone."""
_PRIVATE_PROFILE_FIELDS: Final = ("blocked_company_ids", "visibility", "preferences")

# --- requests


def state_from_number(value: int) -> ApplicationState:
    """Return the domain's state of a value of the contract that is not UNSPECIFIED."""
    return _STATES.member(ApplicationState, value)


def state_or_none_from_number(value: int) -> ApplicationState | None:
    """Return the domain's state of a value of the contract; None for UNSPECIFIED."""
    return _STATES.member_or_none(ApplicationState, value)


def answers_from_request(request: pb.SubmitApplicationRequest) -> list[QuestionAnswer]:
    """Return the answers as the domain knows them."""
    return [
        QuestionAnswer(question_id=answer.question_id, text=answer.text, choices=tuple(answer.choices))
        for answer in request.answers
    ]


# --- answers


def application_for_student(application: Application, now: datetime) -> pb.Application:
    """Return the student's answer: statuses only, and no sign of an undisclosed rejection."""
    view = student_view(application, now)
    message = _shared_message(application)
    message.status = _STATUSES.number(view.status)
    message.history.extend(map(_student_history_entry, view.changes))
    message.etag = format_etag(view.version)
    message.update_time.FromDatetime(view.update_time)
    return message


def application_fields(application: Application, now: datetime) -> dict[str, Any]:
    """Return the student's answer as JSON has it, with the profile that was sent with the application."""
    profile = user.StudentProfile.FromString(application.applicant.profile)
    return {
        **MessageToDict(application_for_student(application, now)),
        "sentName": application.applicant.name,
        "sentEmail": application.applicant.email,
        "sentProfile": MessageToDict(profile),
    }


def application_for_company(application: Application, reader: Principal, now: datetime) -> pb.Application:
    """Return the company's answer: everything, with the frozen profile and the reader's possible moves."""
    member = ApplicationActor(kind=ApplicationActorKind.COMPANY, id=reader.id, role=reader.role)
    message = _shared_message(application)
    message.state = _STATES.number(application.state)
    message.status = _STATUSES.number(student_view(application, now).status)
    message.applicant.CopyFrom(_applicant_message(application))
    message.history.extend(map(_company_history_entry, application.history))
    message.allowed_moves.extend(_STATES.number(state) for state in allowed_targets(application, member, now))
    message.etag = format_etag(application.version)
    message.update_time.FromDatetime(application.update_time)
    if application.is_student_hidden:
        _hide_student(message, application)
    return message


def _applicant_message(application: Application) -> pb.ApplicantSnapshot:
    """Return the frozen profile; the blind one while the student is hidden."""
    frozen, is_hidden = application.applicant, application.is_student_hidden
    message = pb.ApplicantSnapshot(name=application.shown_name, email="" if is_hidden else frozen.email)
    message.profile.ParseFromString(frozen.blind_profile if is_hidden else frozen.profile)
    return message


def _hide_student(message: pb.Application, application: Application) -> None:
    """Withhold the rest that tells who the student is: ID, documents, and words of the texts."""
    message.student_hidden = True
    message.student_id = ""
    message.cover_letter = application.blind_cover_letter
    del message.answers[:]
    message.answers.extend(map(_answer_message, application.blind_answers))
    del message.documents[:]
    for entry in message.history:
        if entry.actor == pb.ACTOR_STUDENT:
            entry.actor_id = ""


def applicant_card(row: ApplicantRow) -> pb.ApplicantCard:
    """Return an applicant in a list."""
    message = pb.ApplicantCard(
        application_id=row.id,
        student_id="" if row.is_student_hidden else row.student_id,
        name=row.name,
        headline=row.headline,
        state=_STATES.number(row.state),
    )
    message.submit_time.FromDatetime(row.submit_time)
    message.update_time.FromDatetime(row.update_time)
    return message


def _shared_message(application: Application) -> pb.Application:
    message = pb.Application(
        id=application.id,
        internship_id=application.internship_id,
        internship_title=application.internship_title,
        internship_version=application.internship_version,
        company_id=application.company_id,
        company_name=application.company_name,
        student_id=application.student_id,
        cover_letter=application.cover_letter,
        answers=map(_answer_message, application.answers),
        documents=map(_document_message, application.documents),
    )
    message.closed_reason = _CLOSED_REASONS.number(application.closed_reason)
    if application.offer_expire_time is not None:
        message.offer_expire_time.FromDatetime(application.offer_expire_time)
    message.respond_by.FromDatetime(application.respond_by)
    message.submit_time.FromDatetime(application.submit_time)
    return message


def document_download_message(link: SentDocumentLink) -> documents.DocumentDownload:
    """Return the address of a document that was sent."""
    message = documents.DocumentDownload(url=link.url, version=link.version)
    message.expire_time.FromDatetime(link.expire_time)
    return message


def _document_message(sent: SentDocument) -> pb.ApplicationDocument:
    return pb.ApplicationDocument(
        document_id=sent.document_id,
        version=sent.version,
        kind=_DOCUMENT_KINDS.number(sent.kind),
        name=sent.name,
        media_type=sent.media_type,
        size_bytes=sent.size_bytes,
        sha256=sent.sha256,
    )


def _answer_message(answer: QuestionAnswer) -> pb.Answer:
    return pb.Answer(question_id=answer.question_id, text=answer.text, choices=answer.choices)


def _student_history_entry(change: StatusChange) -> pb.HistoryEntry:
    entry = pb.HistoryEntry(actor=_ACTORS.number(change.actor), status=_STATUSES.number(change.status))
    entry.time.FromDatetime(change.time)
    return entry


def _company_history_entry(moved: HistoryEntry) -> pb.HistoryEntry:
    entry = pb.HistoryEntry(
        actor=_ACTORS.number(moved.actor),
        actor_id=moved.actor_id,
        to=_STATES.number(moved.target),
        status=_STATUSES.number(STUDENT_STATUS_OF_STATE[moved.target]),
        note=moved.note,
    )
    set_from_field(entry, _STATES.number(moved.source))
    entry.time.FromDatetime(moved.time)
    return entry


# --- events


def event_message(event: ApplicationEvent) -> Message:
    """Return the contract's event for an event of the domain."""
    match event:
        case AcceptanceWasStarted(application_id):
            return events.AcceptanceStarted(application_id=application_id)
        case RejectionWasDisclosed(application):
            return events.RejectionDisclosed(application=_application_facts(application))
        case ApplicationWasAnonymised(application):
            return events.ApplicationAnonymised(application=_application_facts(application))
        case _:
            return replayed_event_message(event)


def look_message(look: ApplicationLook) -> events.ApplicationAccessed:
    """Return the contract's event for a look; the member stays unnamed."""
    return events.ApplicationAccessed(
        application_id=look.application_id,
        student_id=look.student_id,
        company_id=look.company_id,
        company_name=look.company_name,
        role=_ROLES.number(look.role or None),
        kind=_ACCESS_KINDS.number(look.part),
    )


def replayed_event_message(
    event: ApplicationWasSubmitted | ApplicationWasMoved,
) -> events.ApplicationSubmitted | events.ApplicationMoved:
    """Return the contract's event for an event that `replay_events` gives."""
    if isinstance(event, ApplicationWasSubmitted):
        return events.ApplicationSubmitted(application=_application_facts(event.application))
    return _moved_message(event.before, event.after)


def applicant_row_from_facts(known: events.ApplicationFacts) -> ApplicantRow:
    """Return the applicant's row that an event's facts make."""
    return ApplicantRow(
        id=known.application_id,
        internship_id=known.internship_id,
        company_id=known.company_id,
        student_id=known.student_id,
        name=known.student_name,
        headline=known.student_headline,
        state=_STATES.member(ApplicationState, known.state),
        submit_time=to_datetime(known.submit_time),
        update_time=to_datetime(known.update_time),
        version=known.version,
        is_student_hidden=known.student_hidden,
    )


def listing_ending_from_message(event: events.InternshipStateChanged) -> ListingEnding:
    """Return how a listing has ended; `reason` is None when it has not."""
    reason = _ENDING_REASONS.get(event.to)
    was_suspended = from_field(event) == internship.INTERNSHIP_STATE_SUSPENDED
    if reason is ClosedReason.LISTING_ARCHIVED and was_suspended:
        reason = ClosedReason.COMPANY_SUSPENDED
    return ListingEnding(
        id=event.internship.id,
        version=event.internship.version,
        reason=reason,
        pending=reason is not None,
    )


def _application_facts(application: Application) -> events.ApplicationFacts:
    facts = events.ApplicationFacts(
        application_id=application.id,
        student_id=application.student_id,
        student_name=application.shown_name,
        student_headline=application.shown_headline,
        internship_id=application.internship_id,
        internship_title=application.internship_title,
        company_id=application.company_id,
        company_name=application.company_name,
        state=_STATES.number(application.state),
        version=application.version,
        student_hidden=application.is_student_hidden,
    )
    facts.submit_time.FromDatetime(application.submit_time)
    facts.update_time.FromDatetime(application.update_time)
    return facts


def _moved_message(before: Application, after: Application) -> events.ApplicationMoved:
    moved = events.ApplicationMoved(
        application=_application_facts(after),
        to=_STATES.number(after.state),
        actor=_ACTORS.number(after.last_entry.actor),
        actor_id=after.last_entry.actor_id,
        first_response=before.first_response_time is None and after.first_response_time is not None,
        closed_reason=_CLOSED_REASONS.number(after.closed_reason),
    )
    set_from_field(moved, _STATES.number(before.state))
    if after.offer_expire_time is not None:
        moved.offer_expire_time.FromDatetime(after.offer_expire_time)
    return moved


# --- what peers answer


def intake_from_message(found: internship.Intake) -> ListingIntake:
    """Return the fields of a listing that a submission needs."""
    days = found.respond_within_days
    return ListingIntake(
        id=found.internship_id,
        version=found.version,
        title=found.title,
        company_id=found.company.id,
        company_name=found.company.name,
        state=_LISTING_STATES.name(found.state),
        takes_applications=found.open_for_applications,
        apply_open_time=read_timestamp(found, "apply_open_time"),
        apply_deadline=read_timestamp(found, "apply_deadline"),
        questions=tuple(map(_question_from_message, found.questions)),
        respond_within=timedelta(days=days) if days else None,
        blind_review=found.blind_review,
    )


def student_from_message(found: user.StudentSnapshot) -> StudentSnapshot:
    """Return the student to freeze with an application, without fields that companies must not see."""
    blocked = frozenset(found.blocked_company_ids) | frozenset(found.profile.blocked_company_ids)
    for field in _PRIVATE_PROFILE_FIELDS:
        found.profile.ClearField(field)
        found.blind_profile.ClearField(field)
    applicant = Applicant(
        name=found.name,
        email=found.email,
        headline=found.profile.headline,
        profile=found.profile.SerializeToString(),
        blind_headline=found.blind_profile.headline,
        blind_profile=found.blind_profile.SerializeToString(),
    )
    return StudentSnapshot(
        id=found.student_id,
        applicant=applicant,
        blocked_company_ids=blocked,
        blind_texts=tuple(found.blind_texts),
    )


def sent_document_from_message(held: documents.HeldDocument) -> SentDocument:
    """Return a version that the user service holds for an application."""
    return SentDocument(
        document_id=held.document_id,
        version=held.version,
        kind=_DOCUMENT_KINDS.name(held.kind),
        name=held.name,
        media_type=held.media_type,
        size_bytes=held.size_bytes,
        sha256=held.sha256,
    )


def document_link_from_message(found: documents.DocumentDownload) -> SentDocumentLink:
    """Return the address of a held version."""
    return SentDocumentLink(found.url, found.version, to_datetime(found.expire_time))


def _question_from_message(asked: internship.Question) -> IntakeQuestion:
    return IntakeQuestion(
        id=asked.id,
        kind=_QUESTION_KINDS.member(IntakeQuestionKind, asked.kind),
        required=asked.required,
        choices=tuple(asked.choices),
    )
