"""Applications as messages, and messages of others as what applying needs to know."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.call_context import Principal
from chassis.message_fields import set_from_field
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.user.v1 import documents_pb2 as documents
from internshipconnect.user.v1 import profiles_pb2 as profiles
from internshipconnect.user.v1 import user_pb2 as user
from services.application import mapping
from services.application.domain.applicants import applicant_row
from services.application.domain.looks import SeenPart, look_at
from services.application.domain.model import (
    Application,
    ApplicationState,
    ClosedReason,
    ListingEnding,
    QuestionAnswer,
    SentDocument,
)
from services.application.domain.submission import IntakeQuestion, IntakeQuestionKind
from services.application.repository.collections import MAX_LOOK_AGE_S
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


SENT = SentDocument(
    document_id="doc_one",
    version=2,
    kind="TRANSCRIPT",
    name="Grades.pdf",
    media_type="application/pdf",
    size_bytes=7,
    sha256="ab",
)


def test_a_version_that_is_held_is_sent_as_it_was() -> None:
    held = documents.HeldDocument(
        document_id="doc_one",
        version=2,
        kind=documents.DOCUMENT_KIND_TRANSCRIPT,
        name="Grades.pdf",
        media_type="application/pdf",
        size_bytes=7,
        sha256="ab",
    )
    assert mapping.sent_document_from_message(held) == SENT


def test_documents_are_shown_to_both_sides() -> None:
    application = replace(in_state(ApplicationState.SUBMITTED), documents=(SENT,))
    for message in (
        mapping.application_for_student(application, NOW),
        mapping.application_for_company(application, MEMBER, NOW),
    ):
        [shown] = message.documents
        assert (shown.document_id, shown.version, shown.name) == ("doc_one", 2, "Grades.pdf")
        assert shown.kind == documents.DOCUMENT_KIND_TRANSCRIPT


@pytest.mark.parametrize("part", SeenPart)
def test_a_look_names_the_company_and_the_role_and_not_the_person(part: SeenPart) -> None:
    application = in_state(ApplicationState.SUBMITTED)
    message = mapping.look_message(look_at(application, part, "usr_member", "RECRUITER", NOW))
    assert message == events.ApplicationAccessed(
        application_id=application.id,
        student_id=application.student_id,
        company_id="cmp_acme",
        company_name="Acme",
        role=common.COMPANY_ROLE_RECRUITER,
        kind=profiles.ProfileAccessKind.Value(f"PROFILE_ACCESS_KIND_{part}"),
    )


def test_looks_of_one_member_at_one_part_on_one_day_are_one() -> None:
    application = in_state(ApplicationState.SUBMITTED)

    def key(part: SeenPart = SeenPart.APPLICATION, member: str = "usr_one", hours: int = 0) -> str:
        return look_at(application, part, member, "OWNER", NOW + timedelta(hours=hours)).key

    assert key() == key(hours=14)
    assert len({key(), key(hours=15), key(member="usr_two"), key(SeenPart.DOCUMENT)}) == 4


def test_a_look_is_kept_until_its_day_is_over() -> None:
    one_day_s, margin_s = 86_400, 3_600
    assert one_day_s + margin_s <= MAX_LOOK_AGE_S


def blind(state: ApplicationState) -> Application:
    application = in_state(state)
    profile = user.StudentProfile(headline="…", summary="Likes maps.").SerializeToString()
    applicant = replace(application.applicant, blind_headline="…", blind_profile=profile)
    return replace(
        application,
        applicant=applicant,
        blind_review=True,
        documents=(SENT,),
        cover_letter="I am Ada.",
        answers=(QuestionAnswer(question_id="why", text="Ada likes maps."),),
        blind_cover_letter="I am ….",
        blind_answers=(QuestionAnswer(question_id="why", text="… likes maps."),),
    )


@pytest.mark.parametrize("state", ApplicationState)
def test_a_blind_review_ends_with_an_interview_and_not_before(state: ApplicationState) -> None:
    if state is ApplicationState.DRAFT:
        return
    application = blind(state)
    passed = {entry.target for entry in application.history}
    is_shown = bool(passed & {ApplicationState.INTERVIEW, ApplicationState.OFFERED, ApplicationState.HIRED})
    seen = mapping.application_for_company(application, MEMBER, NOW)
    card = mapping.applicant_card(applicant_row(application))
    label = f"Applicant {application.id[-4:]}"
    assert seen.student_hidden is not is_shown
    assert {seen.applicant.name, card.name} == {"Ada" if is_shown else label}
    assert {seen.student_id, card.student_id} == {application.student_id if is_shown else ""}
    assert (len(seen.documents), seen.applicant.email != "") == (int(is_shown), is_shown)
    assert card.headline == ("Maths" if is_shown else "…")
    written = [seen.cover_letter, *(each.text for each in seen.answers)]
    assert written == (["I am Ada.", "Ada likes maps."] if is_shown else ["I am ….", "… likes maps."])
    if not is_shown:
        assert "Ada" not in str(seen) and application.student_id not in str(seen)


def test_a_snapshot_brings_the_blind_view_without_what_is_private() -> None:
    found = user.StudentSnapshot(
        student_id="usr_1",
        name="Ada",
        profile=user.StudentProfile(headline="Maths"),
        blind_profile=user.StudentProfile(headline="…", visibility=user.VISIBILITY_RECRUITERS),
    )
    applicant = mapping.student_from_message(found).applicant
    assert (applicant.headline, applicant.blind_headline) == ("Maths", "…")
    assert user.StudentProfile.FromString(applicant.blind_profile) == user.StudentProfile(headline="…")


def test_a_students_copy_has_the_profile_that_was_sent_and_no_undisclosed_rejection() -> None:
    rejected = in_state(ApplicationState.REJECTED)
    fields = mapping.application_fields(rejected, NOW)
    assert fields["sentProfile"] == {"headline": "Maths"}
    assert fields["sentEmail"] == "ada@example.org"
    assert "REJECTED" not in str(fields) and "NOT_SELECTED" not in str(fields)
