"""Applications as the contract's messages: one for the student, one for the company."""

from datetime import datetime

from chassis.caller import Principal
from chassis.mongo.documents import etag
from internshipconnect.application.v1 import application_pb2 as pb
from services.application.domain.model import (
    SHOWN_AS,
    Actor,
    Answer,
    Application,
    Entry,
    Mover,
    State,
    Status,
)
from services.application.domain.rules import allowed
from services.application.domain.views import Change, student_view
from services.application.store import ApplicantRow

_STATES = {state: pb.ApplicationState.Value(f"APPLICATION_STATE_{state}") for state in State}
_STATE_OF = {value: state for state, value in _STATES.items()}
_STATUSES = {status: pb.StudentStatus.Value(f"STUDENT_STATUS_{status}") for status in Status}
_ACTORS = {actor: pb.Actor.Value(f"ACTOR_{actor}") for actor in Actor}


def state_of(value: pb.ApplicationState.ValueType) -> State:
    """The domain's state of a value of the contract that is not UNSPECIFIED."""
    return _STATE_OF[value]


def answers_of(request: pb.SubmitApplicationRequest) -> list[Answer]:
    """The answers as the domain knows them."""
    return [
        Answer(question_id=answer.question_id, text=answer.text, choices=tuple(answer.choices))
        for answer in request.answers
    ]


def for_student(application: Application, now: datetime) -> pb.Application:
    """Statuses only: no state, note, name, nor anything that betrays a rejection before its time."""
    view = student_view(application, now)
    message = _common(application)
    message.status = _STATUSES[view.status]
    message.history.extend(map(_student_entry, view.changes))
    message.etag = etag(view.version)
    message.update_time.FromDatetime(view.update_time)
    return message


def for_company(application: Application, reader: Principal, now: datetime) -> pb.Application:
    """Everything: states, notes, who moved it, the frozen profile and where the reader may move it."""
    member = Mover(actor=Actor.COMPANY, id=reader.id, role=reader.role)
    message = _common(application)
    message.state = _STATES[application.state]
    message.status = _STATUSES[student_view(application, now).status]
    message.applicant.name = application.applicant.name
    message.applicant.email = application.applicant.email
    message.applicant.profile.ParseFromString(application.applicant.profile)
    message.history.extend(map(_company_entry, application.history))
    message.allowed_moves.extend(_STATES[state] for state in allowed(application, member, now))
    message.etag = etag(application.version)
    message.update_time.FromDatetime(application.update_time)
    return message


def card(row: ApplicantRow) -> pb.ApplicantCard:
    """An applicant in a list."""
    message = pb.ApplicantCard(
        application_id=row.id,
        student_id=row.student_id,
        name=row.name,
        headline=row.headline,
        state=_STATES[row.state],
    )
    message.submit_time.FromDatetime(row.submit_time)
    message.update_time.FromDatetime(row.update_time)
    return message


def _common(application: Application) -> pb.Application:
    message = pb.Application(
        id=application.id,
        internship_id=application.internship_id,
        internship_title=application.internship_title,
        internship_version=application.internship_version,
        company_id=application.company_id,
        company_name=application.company_name,
        student_id=application.student_id,
        cover_letter=application.cover_letter,
        answers=map(_answer, application.answers),
    )
    if application.closed_reason is not None:
        message.closed_reason = pb.ClosedReason.Value(f"CLOSED_REASON_{application.closed_reason}")
    if application.offer_expire_time is not None:
        message.offer_expire_time.FromDatetime(application.offer_expire_time)
    message.respond_by.FromDatetime(application.respond_by)
    message.submit_time.FromDatetime(application.submit_time)
    return message


def _answer(answer: Answer) -> pb.Answer:
    return pb.Answer(question_id=answer.question_id, text=answer.text, choices=answer.choices)


def _student_entry(change: Change) -> pb.HistoryEntry:
    entry = pb.HistoryEntry(actor=_ACTORS[change.actor], status=_STATUSES[change.status])
    entry.time.FromDatetime(change.time)
    return entry


def _company_entry(moved: Entry) -> pb.HistoryEntry:
    entry = pb.HistoryEntry(
        actor=_ACTORS[moved.actor],
        actor_id=moved.actor_id,
        to=_STATES[moved.target],
        status=_STATUSES[SHOWN_AS[moved.target]],
        note=moved.note,
    )
    setattr(entry, "from", _STATES[moved.source])
    entry.time.FromDatetime(moved.time)
    return entry
