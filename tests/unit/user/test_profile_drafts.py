"""Drafts of profiles: what becomes of one, whatever happens to its file and its document."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from services.user.domain import Education, ProfileLink, Skill
from services.user.domain.documents import (
    DocumentKind,
    DocumentState,
    DocumentVersion,
    StudentDocument,
)
from services.user.domain.profile_drafts import (
    DRAFT_TRANSITIONS,
    FAILURE_WORDS,
    MAX_READ_ATTEMPTS,
    READ_AGAIN_AFTER,
    DraftFailure,
    ProfileDraft,
    ProfileDraftState,
    draft_of_document,
    draft_to_read,
    overdue_draft,
    resume_media_type,
)
from services.user.domain.resumes import (
    ParsedResume,
    ReadValue,
    ResumeMediaType,
    ResumeOutcome,
    ResumeParsing,
)
from services.user.domain.resumes.student_draft import FieldConfidence, draft_profile

NOW = datetime(2027, 1, 1, tzinfo=UTC)
STUDENT, DOCUMENT = "usr_01JD0000000000000000000000", "doc_01JD0000000000000000000000"
WAITING = ProfileDraft(DOCUMENT, STUDENT, 1)
RESUME = ParsedResume(name=ReadValue("Sam Okafor", 0.97, "Sam Okafor"))
PARSED = ResumeParsing(ResumeOutcome.PARSED, RESUME)
FAILURES = [ResumeParsing(each) for each in ResumeOutcome if each is not ResumeOutcome.PARSED]


def version(number: int, state: DocumentState = DocumentState.READY) -> DocumentVersion:
    return DocumentVersion(number, NOW, NOW, state, f"key {number}", ResumeMediaType.PDF.value, 7)


def document(*versions: DocumentVersion, kind: DocumentKind = DocumentKind.RESUME) -> StudentDocument:
    return StudentDocument(DOCUMENT, kind, "Resume.pdf", NOW, NOW, versions)


def read(parsing: ResumeParsing = PARSED, draft: ProfileDraft = WAITING) -> ProfileDraft:
    return draft.with_parsing(parsing, NOW)


def refused(draft: ProfileDraft) -> str:
    with pytest.raises(DomainError) as failure:
        draft.confirmed()
    assert failure.value.reason == "RESUME_DRAFT_NOT_READY"
    return failure.value.message


def test_a_resume_that_was_read_makes_a_draft_with_its_confidences() -> None:
    draft = read()
    assert (draft.state, draft.name, draft.read_time) == (ProfileDraftState.READY, "Sam Okafor", NOW)
    assert draft.confidences == (FieldConfidence("name", 0.97),)
    assert draft.with_parsing(FAILURES[0], NOW) is draft


@pytest.mark.parametrize("parsing", FAILURES, ids=lambda each: each.outcome.value)
def test_a_resume_that_cannot_be_read_fails_with_its_reason_in_words(parsing: ResumeParsing) -> None:
    draft = WAITING
    for _ in range(MAX_READ_ATTEMPTS):
        draft = read(parsing, draft)
    assert (draft.state, draft.failure.value) == (ProfileDraftState.FAILED, parsing.outcome.value)
    assert refused(draft) == FAILURE_WORDS[draft.failure]


def test_a_resume_that_takes_too_long_is_read_again_a_few_times() -> None:
    slow = ResumeParsing(ResumeOutcome.TIMED_OUT)
    first = read(slow)
    assert (first.state, first.attempts) == (ProfileDraftState.PENDING, 1)
    assert "not been read yet" in refused(first)
    assert read(PARSED, first).state is ProfileDraftState.READY
    assert read(slow, read(slow, first)).failure is DraftFailure.TIMED_OUT


def test_a_draft_is_confirmed_once() -> None:
    confirmed = read().confirmed()
    assert confirmed.is_confirmed
    assert "was confirmed" in refused(confirmed)


def test_a_discarded_draft_holds_nothing_of_the_resume() -> None:
    discarded = read().discarded()
    assert (discarded.name, discarded.student, discarded.confidences) == ("", None, ())
    assert discarded.discarded() is discarded
    assert "was discarded" in refused(discarded)
    with pytest.raises(DomainError):
        WAITING.discarded()


def test_every_failure_has_words() -> None:
    assert set(FAILURE_WORDS) == set(DraftFailure)
    assert all(words for failure, words in FAILURE_WORDS.items() if failure is not DraftFailure.UNSPECIFIED)
    unread = {each.value for each in ResumeOutcome} - {ResumeOutcome.PARSED.value}
    assert unread <= {each.value for each in DraftFailure}


def test_the_draft_of_a_resume_is_that_of_its_newest_version_that_is_ready() -> None:
    stored = read()
    for versions in ((version(1),), (version(1), version(2, DocumentState.SCANNING))):
        assert draft_of_document(document(*versions), stored, STUDENT) is stored
    newer = draft_of_document(document(version(1), version(2)), stored, STUDENT)
    assert (newer.state, newer.document_version) == (ProfileDraftState.PENDING, 2)


def test_a_resume_that_is_not_ready_has_no_draft_yet_and_one_in_quarantine_never() -> None:
    uploading = draft_of_document(document(version(1, DocumentState.UPLOADING)), None, STUDENT)
    assert uploading.state is ProfileDraftState.PENDING
    harmful = draft_of_document(document(version(1, DocumentState.QUARANTINED)), None, STUDENT)
    assert (harmful.state, harmful.failure) == (ProfileDraftState.FAILED, DraftFailure.QUARANTINED)


def test_a_document_of_another_kind_has_no_draft() -> None:
    with pytest.raises(DomainError) as failure:
        draft_of_document(document(version(1), kind=DocumentKind.TRANSCRIPT), None, STUDENT)
    assert failure.value.reason == "RESUME_DRAFT_NOT_FOUND"


def test_a_version_is_read_unless_it_or_a_newer_one_was() -> None:
    one, two = document(version(1)), document(version(1), version(2))
    assert draft_to_read(None, one, STUDENT, 1) == WAITING
    assert draft_to_read(read(), one, STUDENT, 1) is None
    waiting = read(ResumeParsing(ResumeOutcome.TIMED_OUT))
    assert draft_to_read(waiting, one, STUDENT, 1) is waiting
    newer = draft_to_read(read(), two, STUDENT, 2)
    assert newer == replace(WAITING, document_version=2, version=1)
    assert draft_to_read(None, two, STUDENT, 1) is None
    for number in (0, 3):
        assert draft_to_read(None, two, STUDENT, number) is None


def test_the_draft_of_a_version_that_became_ready_since_is_not_replaced_by_one_of_an_older_version() -> None:
    later = replace(read(), document_version=2)
    for seen in (document(version(1)), document(version(1), version(2, DocumentState.SCANNING))):
        assert draft_to_read(later, seen, STUDENT, 1) is None


def test_when_the_newest_content_is_lost_the_version_before_is_read_once_more() -> None:
    lost = document(version(1), version(2, DocumentState.QUARANTINED))
    stored = replace(read(), document_version=2)
    assert draft_of_document(lost, stored, STUDENT).state is ProfileDraftState.PENDING
    again = draft_to_read(stored, lost, STUDENT, 1)
    assert again == replace(WAITING, version=1)
    assert draft_to_read(stored, lost, STUDENT, 2) is None


def test_a_resume_that_waits_for_long_is_asked_to_be_read_again_but_not_with_each_look() -> None:
    resume = document(replace(version(1), receive_time=NOW))
    due = NOW + READ_AGAIN_AFTER
    assert overdue_draft(None, resume, STUDENT, due - timedelta(seconds=1)) is None
    asked = overdue_draft(None, resume, STUDENT, due)
    assert asked == replace(WAITING, asked_time=due, version=1)
    assert overdue_draft(asked, resume, STUDENT, due + timedelta(seconds=1)) is None
    again = overdue_draft(asked, resume, STUDENT, due + READ_AGAIN_AFTER)
    assert again is not None and (again.asked_time, again.version) == (due + READ_AGAIN_AFTER, 2)
    assert read(PARSED, asked).state is ProfileDraftState.READY


def test_what_was_read_or_cannot_be_read_is_not_asked_for() -> None:
    late = NOW + timedelta(days=1)
    assert overdue_draft(read(), document(version(1)), STUDENT, late) is None
    for state in (DocumentState.UPLOADING, DocumentState.SCANNING, DocumentState.QUARANTINED):
        assert overdue_draft(None, document(version(1, state)), STUDENT, late) is None


def test_pdf_and_word_documents_are_read() -> None:
    assert resume_media_type(version(1)) is ResumeMediaType.PDF
    assert (
        resume_media_type(replace(version(1), media_type=ResumeMediaType.DOCX.value)) is ResumeMediaType.DOCX
    )
    assert resume_media_type(replace(version(1), media_type="text/plain")) is None


def test_confidences_name_the_values_of_the_draft_after_guesses_and_repeats_are_left_out() -> None:
    school = Education("Example University", degree="BSc")
    resume = ParsedResume(
        links=(ReadValue(ProfileLink("Home", "https://sam.example.org"), 0.8, ""),),
        education=(
            ReadValue(Education(""), 0.9, ""),
            ReadValue(school, 0.7, "", {"institution": 0.9, "degree": 0.5, "score": 0.4}),
        ),
        skills=(
            ReadValue(Skill("Tea"), 0.1, ""),
            ReadValue(Skill("Python"), 0.9, ""),
            ReadValue(Skill("python"), 0.6, ""),
            ReadValue(Skill("SQL"), 0.5, ""),
        ),
    )
    found = draft_profile(resume)
    assert [each.name for each in found.student.skills] == ["Python", "SQL"]
    assert {each.path: each.confidence for each in found.confidences} == {
        "student.links[0]": 0.8,
        "student.education[0]": 0.7,
        "student.education[0].institution": 0.9,
        "student.education[0].degree": 0.5,
        "student.skills[0]": 0.9,
        "student.skills[1]": 0.5,
    }


STEPS = ("parsed", "failed", "slow", "unsupported", "confirm", "discard")


def after_step(draft: ProfileDraft, step: str, now: datetime) -> ProfileDraft:
    match step:
        case "parsed":
            return draft.with_parsing(PARSED, now)
        case "failed":
            return draft.with_parsing(ResumeParsing(ResumeOutcome.NO_TEXT), now)
        case "slow":
            return draft.with_parsing(ResumeParsing(ResumeOutcome.TIMED_OUT), now)
        case "unsupported":
            return draft.with_failure(DraftFailure.UNSUPPORTED, now)
        case "confirm":
            return draft.confirmed()
        case _:
            return draft.discarded()


@given(st.lists(st.sampled_from(STEPS), max_size=12))
def test_any_sequence_of_steps_keeps_to_the_transitions(steps: list[str]) -> None:
    draft, now = WAITING, NOW
    for step in steps:
        before, now = draft, now + timedelta(seconds=1)
        try:
            draft = after_step(before, step, now)
        except DomainError:
            continue
        assert draft is before or draft.state in DRAFT_TRANSITIONS[before.state]
        assert draft.version == before.version + (draft is not before)
        holds_values = draft.state in {ProfileDraftState.READY, ProfileDraftState.CONFIRMED}
        assert (draft.student is not None) == holds_values
        assert (draft.failure is not DraftFailure.UNSPECIFIED) == (draft.state is ProfileDraftState.FAILED)
