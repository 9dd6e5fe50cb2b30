"""Drafts of profiles as messages, and what of them comes into a profile."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import protovalidate
import pytest

from chassis.errors import DomainError
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.user.v1 import documents_pb2 as pb
from internshipconnect.user.v1 import user_pb2
from services.user.domain import Education, Location, Profile, Skill, Student
from services.user.domain.profile_drafts import DraftFailure, ProfileDraft, ProfileDraftState
from services.user.domain.resumes.student_draft import FieldConfidence
from services.user.resume_draft_mapping import resume_draft_message, taken_draft
from tests.unit.user.samples import PROFILE, STUDENT

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DRAFT = ProfileDraft(
    "doc_01JD0000000000000000000000",
    PROFILE.id,
    2,
    ProfileDraftState.READY,
    name="Sam Okafor",
    student=Student(
        summary="I like data.",
        location=Location("Berlin", "", "DE"),
        education=(Education("Example University", "Physics", "BSc"),),
        skills=(Skill("SQL"),),
    ),
    confidences=(FieldConfidence("name", 0.97),),
    read_time=NOW,
    version=1,
)


def taken(profile: Profile = PROFILE, **request: Any) -> Student:
    after = taken_draft(pb.ConfirmResumeDraftRequest(document_id=DRAFT.id, **request))(profile, DRAFT)
    assert after.student is not None
    return after.student


def test_a_draft_is_shown_with_its_values_and_how_certain_they_are() -> None:
    message = resume_draft_message(DRAFT)
    assert (message.state, message.version) == (pb.RESUME_DRAFT_STATE_READY, 2)
    assert (message.name, message.profile.skills[0].name) == ("Sam Okafor", "SQL")
    assert message.confidences[0] == pb.FieldConfidence(path="name", confidence=0.97)
    assert message.profile.visibility == user_pb2.VISIBILITY_UNSPECIFIED
    assert (message.problem, message.read_time.ToDatetime(UTC)) == ("", NOW)


def test_a_failure_is_shown_in_words() -> None:
    failed = replace(DRAFT, state=ProfileDraftState.FAILED, failure=DraftFailure.ENCRYPTED, student=None)
    message = resume_draft_message(failed)
    assert (message.failure, message.HasField("profile")) == (pb.RESUME_DRAFT_FAILURE_ENCRYPTED, False)
    assert message.problem == "The file wants a password; save it without one."


@pytest.mark.parametrize("state", ProfileDraftState)
def test_every_state_has_its_value(state: ProfileDraftState) -> None:
    shown = resume_draft_message(replace(DRAFT, state=state)).state
    assert pb.ResumeDraftState.Name(shown) == f"RESUME_DRAFT_STATE_{state}"


def test_without_fields_all_that_was_found_replaces_what_the_profile_has() -> None:
    after = taken_draft(pb.ConfirmResumeDraftRequest(document_id=DRAFT.id))(PROFILE, DRAFT)
    assert DRAFT.student is not None
    expected = replace(
        STUDENT,
        summary=DRAFT.student.summary,
        location=DRAFT.student.location,
        education=DRAFT.student.education,
        skills=DRAFT.student.skills,
    )
    assert (after.name, after.student) == ("Sam Okafor", expected)
    assert after == replace(PROFILE, name="Sam Okafor", student=expected)


def test_only_the_named_fields_are_taken() -> None:
    assert taken(fields=[pb.RESUME_DRAFT_FIELD_SUMMARY]) == replace(STUDENT, summary="I like data.")


def test_a_named_field_that_was_not_found_leaves_the_profile_as_it_is() -> None:
    fields = [pb.RESUME_DRAFT_FIELD_LANGUAGES, pb.RESUME_DRAFT_FIELD_SUMMARY]
    assert taken(fields=fields) == replace(STUDENT, summary="I like data.")


@pytest.mark.parametrize(
    "request_",
    [
        {"fields": [pb.RESUME_DRAFT_FIELD_LANGUAGES, pb.RESUME_DRAFT_FIELD_LINKS]},
        {"me": user_pb2.Me()},
        {"me": user_pb2.Me(student=user_pb2.StudentProfile(headline="not of a draft"))},
    ],
)
def test_to_take_nothing_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(DomainError) as refused:
        taken(**request_)
    assert [each.field for each in refused.value.violations] == ["fields"]


def test_edited_values_take_the_place_of_the_drafts() -> None:
    edited = user_pb2.Me(name="Sam O.", student=user_pb2.StudentProfile(headline="x", summary="Edited."))
    assert taken(me=edited) == replace(STUDENT, summary="Edited.")
    fields = [pb.RESUME_DRAFT_FIELD_SUMMARY, pb.RESUME_DRAFT_FIELD_SKILLS]
    assert taken(me=edited, fields=fields) == replace(STUDENT, summary="Edited.", skills=())


def test_who_may_see_the_profile_is_never_part_of_a_draft() -> None:
    hidden = user_pb2.StudentProfile(
        summary="x", visibility=user_pb2.VISIBILITY_RECRUITERS, blocked_company_ids=["cmp"]
    )
    before = replace(PROFILE, student=Student())
    assert taken(before, me=user_pb2.Me(student=hidden)) == Student(summary="x")


@pytest.mark.parametrize(
    "request_",
    [
        pb.ConfirmResumeDraftRequest(document_id="doc_1"),
        pb.ConfirmResumeDraftRequest(document_id=DRAFT.id, fields=[pb.RESUME_DRAFT_FIELD_UNSPECIFIED]),
        pb.ConfirmResumeDraftRequest(document_id=DRAFT.id, fields=[pb.RESUME_DRAFT_FIELD_NAME] * 2),
        pb.ConfirmResumeDraftRequest(document_id=DRAFT.id, version=-1),
        pb.ConfirmResumeDraftRequest(
            document_id=DRAFT.id,
            me=user_pb2.Me(student=user_pb2.StudentProfile(skills=[common.Skill(name="a\nb")])),
        ),
    ],
)
def test_the_contract_refuses_what_is_no_choice(request_: pb.ConfirmResumeDraftRequest) -> None:
    assert protovalidate.collect_violations(request_)
