"""An application to try rules on, and the ways into every state."""

from datetime import UTC, datetime, timedelta

from internshipconnect.user.v1.user_pb2 import StudentProfile
from services.application.domain import moves
from services.application.domain.model import (
    SYSTEM_ACTOR,
    Applicant,
    Application,
    ApplicationActor,
    ApplicationActorKind,
    ApplicationPolicy,
    ApplicationState,
    ClosedReason,
)
from services.application.domain.submission import (
    IntakeQuestion,
    IntakeQuestionKind,
    ListingIntake,
    StudentSnapshot,
    submit_application,
)

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
POLICY = ApplicationPolicy()
FROZEN_PROFILE = StudentProfile(headline="Maths").SerializeToString()

STUDENT = ApplicationActor(kind=ApplicationActorKind.STUDENT, id="usr_student")
OWNER = ApplicationActor(kind=ApplicationActorKind.COMPANY, id="usr_owner", role="OWNER")
RECRUITER = ApplicationActor(kind=ApplicationActorKind.COMPANY, id="usr_recruiter", role="RECRUITER")
VIEWER = ApplicationActor(kind=ApplicationActorKind.COMPANY, id="usr_viewer", role="VIEWER")

QUESTIONS = (
    IntakeQuestion(id="why", kind=IntakeQuestionKind.TEXT, required=True),
    IntakeQuestion(id="visa", kind=IntakeQuestionKind.YES_NO),
    IntakeQuestion(id="team", kind=IntakeQuestionKind.SINGLE_CHOICE, choices=("web", "data")),
    IntakeQuestion(id="days", kind=IntakeQuestionKind.MULTIPLE_CHOICE, choices=("mon", "tue", "wed")),
)


def listing(**changes: object) -> ListingIntake:
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
    return ListingIntake(**(facts | changes))  # type: ignore[arg-type]


def student(**changes: object) -> StudentSnapshot:
    facts: dict[str, object] = {
        "id": STUDENT.id,
        "applicant": Applicant(name="Ada", email="ada@example.org", headline="Maths", profile=FROZEN_PROFILE),
    }
    return StudentSnapshot(**(facts | changes))  # type: ignore[arg-type]


def submitted(now: datetime = NOW) -> Application:
    return submit_application("app_one", listing(), student(), now, POLICY)


def moved(application: Application, *targets: ApplicationState, now: datetime = NOW) -> Application:
    for target in targets:
        application = moves.move_application(application, target, RECRUITER, now, POLICY)
    return application


def hired(now: datetime = NOW) -> Application:
    offered = moved(submitted(now), ApplicationState.SHORTLISTED, ApplicationState.OFFERED, now=now)
    return moves.complete_acceptance(moves.start_acceptance(offered, STUDENT, now, POLICY), now, POLICY)


def in_state(state: ApplicationState, now: datetime = NOW) -> Application:
    """Return an application in that state, come there by legal moves at `now`."""
    ways: dict[ApplicationState, tuple[ApplicationState, ...]] = {
        ApplicationState.SUBMITTED: (),
        ApplicationState.IN_REVIEW: (ApplicationState.IN_REVIEW,),
        ApplicationState.SHORTLISTED: (ApplicationState.SHORTLISTED,),
        ApplicationState.ASSESSMENT: (ApplicationState.IN_REVIEW, ApplicationState.ASSESSMENT),
        ApplicationState.INTERVIEW: (ApplicationState.IN_REVIEW, ApplicationState.INTERVIEW),
        ApplicationState.WAITLISTED: (ApplicationState.IN_REVIEW, ApplicationState.WAITLISTED),
        ApplicationState.OFFERED: (ApplicationState.SHORTLISTED, ApplicationState.OFFERED),
        ApplicationState.REJECTED: (ApplicationState.IN_REVIEW, ApplicationState.REJECTED),
    }
    if state in ways:
        return moved(submitted(now), *ways[state], now=now)
    if state is ApplicationState.HIRED:
        return hired(now)
    if state is ApplicationState.WITHDRAWN:
        return moves.withdraw_application(submitted(now), STUDENT, now, POLICY)
    return moves.close_application(
        in_state(ApplicationState.INTERVIEW, now), ClosedReason.LISTING_ARCHIVED, now, POLICY
    )


ACTORS = (STUDENT, OWNER, RECRUITER, VIEWER, SYSTEM_ACTOR)
