"""Applications as the contract's messages: one for the student, one for the company."""

from datetime import datetime

from chassis.call_context import Principal
from chassis.mongo.documents import format_etag
from internshipconnect.application.v1 import application_pb2 as pb
from services.application.domain.model import (
    STUDENT_STATUS_OF_STATE,
    Application,
    ApplicationActor,
    ApplicationActorKind,
    ApplicationState,
    HistoryEntry,
    QuestionAnswer,
    StudentStatus,
)
from services.application.domain.student_view import StatusChange, student_view
from services.application.domain.transitions import allowed_targets
from services.application.repository import ApplicantRow

_STATE_NUMBERS = {
    state: pb.ApplicationState.Value(f"APPLICATION_STATE_{state}") for state in ApplicationState
}
_STATE_OF_NUMBER = {value: state for state, value in _STATE_NUMBERS.items()}
_STATUS_NUMBERS = {status: pb.StudentStatus.Value(f"STUDENT_STATUS_{status}") for status in StudentStatus}
_ACTOR_NUMBERS = {actor: pb.Actor.Value(f"ACTOR_{actor}") for actor in ApplicationActorKind}


def state_from_number(value: pb.ApplicationState.ValueType) -> ApplicationState:
    """The domain's state of a value of the contract that is not UNSPECIFIED."""
    return _STATE_OF_NUMBER[value]


def answers_from_request(request: pb.SubmitApplicationRequest) -> list[QuestionAnswer]:
    """The answers as the domain knows them."""
    return [
        QuestionAnswer(question_id=answer.question_id, text=answer.text, choices=tuple(answer.choices))
        for answer in request.answers
    ]


def application_for_student(application: Application, now: datetime) -> pb.Application:
    """Statuses only: no state, note, name, nor anything that betrays a rejection before its time."""
    view = student_view(application, now)
    message = _shared_message(application)
    message.status = _STATUS_NUMBERS[view.status]
    message.history.extend(map(_student_history_entry, view.changes))
    message.etag = format_etag(view.version)
    message.update_time.FromDatetime(view.update_time)
    return message


def application_for_company(application: Application, reader: Principal, now: datetime) -> pb.Application:
    """Everything: states, notes, who moved it, the frozen profile and where the reader may move it."""
    member = ApplicationActor(kind=ApplicationActorKind.COMPANY, id=reader.id, role=reader.role)
    message = _shared_message(application)
    message.state = _STATE_NUMBERS[application.state]
    message.status = _STATUS_NUMBERS[student_view(application, now).status]
    message.applicant.name = application.applicant.name
    message.applicant.email = application.applicant.email
    message.applicant.profile.ParseFromString(application.applicant.profile)
    message.history.extend(map(_company_history_entry, application.history))
    message.allowed_moves.extend(_STATE_NUMBERS[state] for state in allowed_targets(application, member, now))
    message.etag = format_etag(application.version)
    message.update_time.FromDatetime(application.update_time)
    return message


def applicant_card(row: ApplicantRow) -> pb.ApplicantCard:
    """An applicant in a list."""
    message = pb.ApplicantCard(
        application_id=row.id,
        student_id=row.student_id,
        name=row.name,
        headline=row.headline,
        state=_STATE_NUMBERS[row.state],
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
    )
    if application.closed_reason is not None:
        message.closed_reason = pb.ClosedReason.Value(f"CLOSED_REASON_{application.closed_reason}")
    if application.offer_expire_time is not None:
        message.offer_expire_time.FromDatetime(application.offer_expire_time)
    message.respond_by.FromDatetime(application.respond_by)
    message.submit_time.FromDatetime(application.submit_time)
    return message


def _answer_message(answer: QuestionAnswer) -> pb.Answer:
    return pb.Answer(question_id=answer.question_id, text=answer.text, choices=answer.choices)


def _student_history_entry(change: StatusChange) -> pb.HistoryEntry:
    entry = pb.HistoryEntry(actor=_ACTOR_NUMBERS[change.actor], status=_STATUS_NUMBERS[change.status])
    entry.time.FromDatetime(change.time)
    return entry


def _company_history_entry(moved: HistoryEntry) -> pb.HistoryEntry:
    entry = pb.HistoryEntry(
        actor=_ACTOR_NUMBERS[moved.actor],
        actor_id=moved.actor_id,
        to=_STATE_NUMBERS[moved.target],
        status=_STATUS_NUMBERS[STUDENT_STATUS_OF_STATE[moved.target]],
        note=moved.note,
    )
    setattr(entry, "from", _STATE_NUMBERS[moved.source])
    entry.time.FromDatetime(moved.time)
    return entry
