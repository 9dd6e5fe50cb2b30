"""Applications as messages, and messages of others as what applying needs to know."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.call_context import Principal
from chassis.message_fields import set_from_field
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.user.v1 import user_pb2 as user
from services.application import mapping
from services.application.domain.applicants import applicant_row
from services.application.domain.model import (
    ApplicationState,
    ClosedReason,
    ListingEnding,
    QuestionAnswer,
)
from services.application.domain.submission import IntakeQuestion, IntakeQuestionKind
from tests.unit.application.samples import NOW, OWNER, VIEWER, in_state

MEMBER = Principal(id=OWNER.id, kind="COMPANY", role="OWNER", org="cmp_acme")


def test_every_state_has_its_value_and_back() -> None:
    for state in ApplicationState:
        assert mapping.state_from_number(pb.ApplicationState.Value(f"APPLICATION_STATE_{state}")) is state
    assert mapping.state_or_none_from_number(pb.APPLICATION_STATE_UNSPECIFIED) is None


def test_answers_come_as_text_or_choices() -> None:
    request = pb.SubmitApplicationRequest(
        answers=[
            pb.Answer(question_id="why", text="because"),
            pb.Answer(question_id="days", choices=["mon", "tue"]),
        ]
    )
    assert mapping.answers_from_request(request) == [
        QuestionAnswer(question_id="why", text="because"),
        QuestionAnswer(question_id="days", choices=("mon", "tue")),
    ]


def test_a_student_gets_no_state_no_note_and_no_sign_of_a_rejection_that_is_delayed() -> None:
    rejected = in_state(ApplicationState.REJECTED)
    message = mapping.application_for_student(rejected, NOW)
    assert message.status == pb.STUDENT_STATUS_IN_REVIEW
    assert message.state == pb.APPLICATION_STATE_UNSPECIFIED
    assert not message.HasField("applicant")
    assert [entry.status for entry in message.history] == [
        pb.STUDENT_STATUS_RECEIVED,
        pb.STUDENT_STATUS_IN_REVIEW,
    ]
    later = mapping.application_for_student(rejected, NOW + timedelta(days=1))
    assert later.status == pb.STUDENT_STATUS_NOT_SELECTED
    assert later.etag != message.etag


def test_a_company_gets_states_the_applicant_and_where_its_member_may_move_it() -> None:
    application = in_state(ApplicationState.IN_REVIEW)
    profile = user.StudentProfile(headline="Maths")
    applicant = replace(application.applicant, profile=profile.SerializeToString())
    application = replace(application, applicant=applicant)
    message = mapping.application_for_company(application, MEMBER, NOW)
    assert message.state == pb.APPLICATION_STATE_IN_REVIEW
    assert (message.applicant.name, message.applicant.email) == ("Ada", "ada@example.org")
    assert message.applicant.profile == profile
    assert pb.APPLICATION_STATE_SHORTLISTED in message.allowed_moves
    [submitted, opened] = message.history
    assert (submitted.to, opened.to) == (pb.APPLICATION_STATE_SUBMITTED, pb.APPLICATION_STATE_IN_REVIEW)
    viewer = Principal(id=VIEWER.id, kind="COMPANY", role="VIEWER", org="cmp_acme")
    assert not mapping.application_for_company(application, viewer, NOW).allowed_moves


def test_a_closed_application_names_its_reason() -> None:
    message = mapping.application_for_student(in_state(ApplicationState.CLOSED), NOW)
    assert message.closed_reason == pb.CLOSED_REASON_LISTING_ARCHIVED


def test_a_row_becomes_a_card() -> None:
    application = in_state(ApplicationState.INTERVIEW)
    card = mapping.applicant_card(applicant_row(application))
    assert (card.application_id, card.name, card.headline) == (application.id, "Ada", "Maths")
    assert card.state == pb.APPLICATION_STATE_INTERVIEW
    assert card.submit_time.ToDatetime(tzinfo=UTC) == application.submit_time


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("OPEN", "FILLED", ClosedReason.LISTING_FILLED),
        ("OPEN", "CLOSED", ClosedReason.LISTING_ENDED),
        ("CLOSED", "ARCHIVED", ClosedReason.LISTING_ARCHIVED),
        ("SUSPENDED", "ARCHIVED", ClosedReason.COMPANY_SUSPENDED),
        ("OPEN", "PAUSED", None),
        ("OPEN", "EXPIRED", None),
        ("OPEN", "SUSPENDED", None),
    ],
)
def test_what_a_listings_state_ends_and_why(source: str, target: str, reason: ClosedReason | None) -> None:
    event = events.InternshipStateChanged(
        internship=internship.Internship(id="int_1", version=7),
        to=internship.InternshipState.Value(f"INTERNSHIP_STATE_{target}"),
    )
    set_from_field(event, internship.InternshipState.Value(f"INTERNSHIP_STATE_{source}"))
    assert mapping.listing_ending_from_message(event) == ListingEnding(
        id="int_1", version=7, reason=reason, pending=reason is not None
    )


def test_an_intake_brings_questions_dates_and_the_promise_to_answer() -> None:
    found = internship.Intake(
        internship_id="int_1",
        version=3,
        title="Backend intern",
        company=internship.CompanyRef(id="cmp_1", name="Acme"),
        state=internship.INTERNSHIP_STATE_OPEN,
        open_for_applications=True,
        questions=[
            internship.Question(
                id="team", kind=internship.QUESTION_KIND_SINGLE_CHOICE, required=True, choices=["a", "b"]
            )
        ],
        respond_within_days=21,
    )
    found.apply_deadline.FromDatetime(datetime(2027, 4, 1, tzinfo=UTC))
    intake = mapping.intake_from_message(found)
    assert (intake.id, intake.version, intake.state) == ("int_1", 3, "OPEN")
    assert (intake.company_id, intake.company_name, intake.takes_applications) == ("cmp_1", "Acme", True)
    assert (intake.apply_open_time, intake.apply_deadline) == (None, datetime(2027, 4, 1, tzinfo=UTC))
    assert intake.respond_within == timedelta(days=21)
    assert intake.questions == (
        IntakeQuestion(id="team", kind=IntakeQuestionKind.SINGLE_CHOICE, required=True, choices=("a", "b")),
    )
    del found.questions[:]
    found.respond_within_days = 0
    assert mapping.intake_from_message(found).respond_within is None


def test_of_a_student_companies_get_no_private_field() -> None:
    found = user.StudentSnapshot(
        student_id="usr_1",
        name="Ada",
        email="ada@example.org",
        profile=user.StudentProfile(headline="Maths", blocked_company_ids=["cmp_1"]),
        blocked_company_ids=["cmp_2"],
    )
    snapshot = mapping.student_from_message(found)
    assert snapshot.blocked_company_ids == {"cmp_1", "cmp_2"}
    frozen = user.StudentProfile.FromString(snapshot.applicant.profile)
    assert frozen == user.StudentProfile(headline="Maths")
