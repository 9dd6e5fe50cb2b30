"""An application to try rules on, and the ways into every state."""

from datetime import UTC, datetime, timedelta

from services.application.domain import moves
from services.application.domain.model import (
    SYSTEM,
    Actor,
    Applicant,
    Application,
    ClosedReason,
    Mover,
    Policy,
    State,
)
from services.application.domain.submission import Listing, Question, QuestionKind, Student, submit

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
POLICY = Policy()

STUDENT = Mover(actor=Actor.STUDENT, id="usr_student")
OWNER = Mover(actor=Actor.COMPANY, id="usr_owner", role="OWNER")
RECRUITER = Mover(actor=Actor.COMPANY, id="usr_recruiter", role="RECRUITER")
VIEWER = Mover(actor=Actor.COMPANY, id="usr_viewer", role="VIEWER")

QUESTIONS = (
    Question(id="why", kind=QuestionKind.TEXT, required=True),
    Question(id="visa", kind=QuestionKind.YES_NO),
    Question(id="team", kind=QuestionKind.SINGLE_CHOICE, choices=("web", "data")),
    Question(id="days", kind=QuestionKind.MULTIPLE_CHOICE, choices=("mon", "tue", "wed")),
)


def listing(**changes: object) -> Listing:
    facts: dict[str, object] = {
        "id": "int_listing",
        "version": 3,
        "title": "Backend intern",
        "company_id": "cmp_acme",
        "company_name": "Acme",
        "state": "OPEN",
        "takes_applications": True,
        "apply_open_time": NOW - timedelta(days=1),
        "apply_deadline": NOW + timedelta(days=30),
        "respond_within": timedelta(days=21),
    }
    return Listing(**(facts | changes))  # type: ignore[arg-type]


def student(**changes: object) -> Student:
    facts: dict[str, object] = {
        "id": STUDENT.id,
        "applicant": Applicant(name="Ada", email="ada@example.org", headline="Maths", profile=b"frozen"),
    }
    return Student(**(facts | changes))  # type: ignore[arg-type]


def submitted(now: datetime = NOW) -> Application:
    return submit("app_one", listing(), student(), now, POLICY)


def moved(application: Application, *targets: State, now: datetime = NOW) -> Application:
    for target in targets:
        application = moves.move(application, target, RECRUITER, now, POLICY)
    return application


def hired(now: datetime = NOW) -> Application:
    offered = moved(submitted(now), State.SHORTLISTED, State.OFFERED, now=now)
    return moves.complete_acceptance(moves.start_acceptance(offered, STUDENT, now, POLICY), now, POLICY)


def in_state(state: State, now: datetime = NOW) -> Application:
    """An application in that state, come there by legal moves at `now`."""
    ways: dict[State, tuple[State, ...]] = {
        State.SUBMITTED: (),
        State.IN_REVIEW: (State.IN_REVIEW,),
        State.SHORTLISTED: (State.SHORTLISTED,),
        State.ASSESSMENT: (State.IN_REVIEW, State.ASSESSMENT),
        State.INTERVIEW: (State.IN_REVIEW, State.INTERVIEW),
        State.WAITLISTED: (State.IN_REVIEW, State.WAITLISTED),
        State.OFFERED: (State.SHORTLISTED, State.OFFERED),
        State.REJECTED: (State.IN_REVIEW, State.REJECTED),
    }
    if state in ways:
        return moved(submitted(now), *ways[state], now=now)
    if state is State.HIRED:
        return hired(now)
    if state is State.WITHDRAWN:
        return moves.withdraw(submitted(now), STUDENT, now, POLICY)
    return moves.close(in_state(State.INTERVIEW, now), ClosedReason.LISTING_ARCHIVED, now, POLICY)


ACTORS = (STUDENT, OWNER, RECRUITER, VIEWER, SYSTEM)
