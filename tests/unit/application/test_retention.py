"""How long applications are kept, and what remains of them."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from services.application.domain.applicants import applicant_row
from services.application.domain.events import ApplicationWasAnonymised, change_events
from services.application.domain.model import (
    Application,
    ApplicationState,
    LegalHold,
    QuestionAnswer,
    SentDocument,
)
from services.application.domain.retention import (
    DEFAULT_RETENTION_DAYS,
    MAX_RECHECK_PAUSE,
    MAX_RETENTION_DAYS,
    MIN_RETENTION_DAYS,
    RetentionRule,
    anonymised,
    first_check_time,
    is_retention_over,
    next_check_time,
    with_legal_hold,
    without_documents,
    without_legal_hold,
)
from services.application.domain.transitions import UNREJECT_WINDOW, allowed_targets
from tests.unit.application.samples import NOW, OWNER, STUDENT, moved, submitted

RULE = RetentionRule("cmp_acme")
HOLD = LegalHold(reason="a dispute", place_time=NOW, placed_by="usr_moderator")
MARKER = "zanzibar"


def rejected() -> Application:
    """Return a rejected application in which everything of the student bears a marker."""
    application = moved(submitted(), ApplicationState.REJECTED)
    [first, *others] = application.history
    return replace(
        application,
        applicant=replace(
            application.applicant,
            name=MARKER,
            email=f"{MARKER}@example.org",
            headline=MARKER,
            profile=MARKER.encode(),
            blind_headline=MARKER,
            blind_profile=MARKER.encode(),
        ),
        answers=(QuestionAnswer(question_id="why", text=MARKER),),
        cover_letter=MARKER,
        documents=(
            SentDocument(
                document_id="doc_1",
                version=1,
                kind="RESUME",
                name=f"{MARKER}.pdf",
                media_type="application/pdf",
                size_bytes=1,
                sha256="",
            ),
        ),
        blind_answers=(QuestionAnswer(question_id="why", text=MARKER),),
        blind_cover_letter=MARKER,
        history=(first, *(replace(each, note=f"{MARKER} was kind") for each in others)),
    )


def ended(application: Application) -> Application:
    after = anonymised(application, NOW)
    assert after is not None
    return after


def test_an_application_is_kept_for_six_months_by_default_and_not_longer() -> None:
    end = NOW + timedelta(days=DEFAULT_RETENTION_DAYS)
    assert not is_retention_over(rejected(), RULE, end - timedelta(seconds=1))
    assert is_retention_over(rejected(), RULE, end)


def test_a_companys_rule_counts_and_has_bounds() -> None:
    shorter = RULE.with_days(MIN_RETENTION_DAYS)
    assert (shorter.days, shorter.version) == (MIN_RETENTION_DAYS, 1)
    assert shorter.with_days(MIN_RETENTION_DAYS) is shorter
    assert is_retention_over(rejected(), shorter, NOW + timedelta(days=MIN_RETENTION_DAYS))
    for days in (MIN_RETENTION_DAYS - 1, MAX_RETENTION_DAYS + 1):
        with pytest.raises(ValueError, match="are kept for"):
            RULE.with_days(days)


def test_nothing_is_gone_while_a_rejection_can_be_undone() -> None:
    assert timedelta(days=MIN_RETENTION_DAYS) >= UNREJECT_WINDOW


@pytest.mark.parametrize(
    "application",
    [submitted(), moved(submitted(), ApplicationState.SHORTLISTED, ApplicationState.OFFERED)],
    ids=["submitted", "offered"],
)
def test_an_application_that_is_not_over_is_kept(application: Application) -> None:
    assert first_check_time(application) is None
    assert not is_retention_over(application, RULE, NOW + timedelta(days=10_000))


def test_nothing_of_the_student_remains_and_states_and_times_do() -> None:
    before, after = rejected(), ended(rejected())
    for field in fields(after):
        assert MARKER not in str(getattr(after, field.name)), field.name
        assert STUDENT.id not in str(getattr(after, field.name)), field.name
    assert after.state is before.state
    assert [(each.source, each.target, each.time) for each in after.history] == [
        (each.source, each.target, each.time) for each in before.history
    ]
    assert after.version == before.version + 1


def test_the_companys_list_shows_a_label_instead_of_the_name() -> None:
    row = applicant_row(ended(rejected()))
    assert (row.student_id, row.name, row.headline) == ("", "Applicant _one", "")
    assert row.state is ApplicationState.REJECTED


def test_nobody_moves_an_anonymous_application_and_it_stands_in_nobodys_way() -> None:
    after = ended(rejected())
    assert allowed_targets(rejected(), OWNER, NOW) and not allowed_targets(after, OWNER, NOW)
    assert rejected().is_live and not after.is_live


def test_the_end_is_an_event_once() -> None:
    before, after = rejected(), ended(rejected())
    assert change_events(before, after) == (ApplicationWasAnonymised(after),)
    assert anonymised(after, NOW) is None


def test_a_hold_keeps_an_application_until_it_is_lifted() -> None:
    held = with_legal_hold(rejected(), HOLD)
    assert held is not None
    assert first_check_time(held) is None and anonymised(held, NOW) is None
    assert not is_retention_over(held, RULE, NOW + timedelta(days=10_000))
    assert with_legal_hold(held, HOLD) is None
    lifted = without_legal_hold(held)
    assert lifted is not None and is_retention_over(lifted, RULE, NOW + timedelta(days=10_000))
    assert without_legal_hold(lifted) is None


def test_an_application_whose_data_are_gone_cannot_be_held() -> None:
    with pytest.raises(DomainError) as refused:
        with_legal_hold(ended(rejected()), HOLD)
    assert refused.value.reason == "APPLICATION_ANONYMISED"


def test_documents_are_looked_after_until_none_is_kept() -> None:
    after = ended(rejected())
    assert first_check_time(after) == NOW
    settled = without_documents(after)
    assert settled is not None and first_check_time(settled) is None
    assert without_documents(settled) is None


@given(st.integers(MIN_RETENTION_DAYS, MAX_RETENTION_DAYS), st.integers(0, 2_000))
def test_checks_come_in_time_and_never_stop_before_the_end(days: int, elapsed: int) -> None:
    application, rule = rejected(), RetentionRule("cmp_acme", days)
    now = NOW + timedelta(days=elapsed)
    if not is_retention_over(application, rule, now):
        then = next_check_time(application, rule, now)
        assert now < then <= now + MAX_RECHECK_PAUSE
        assert then <= rule.end_of(application)
