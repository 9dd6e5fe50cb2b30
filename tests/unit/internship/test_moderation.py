"""Whose listings go online without a look, and what moderators decide."""

from dataclasses import replace

import pytest

from chassis.errors import DomainError
from services.internship.domain.flags import moderation_flags
from services.internship.domain.model import ActorKind, Compensation, ListingState, ModerationDecision
from services.internship.domain.moderation import (
    CompanyStanding,
    apply_decision,
    check_edit_allowed,
    deletion_error,
)
from services.internship.domain.transitions import move_listing, publish_listing, reopen_listing
from tests.unit.internship.samples import COMPANY, MODERATOR, NOW, OWNER, POSTING, listing

UNKNOWN = CompanyStanding(id=COMPANY.id)


def test_the_first_listing_of_a_company_that_nobody_knows_waits_for_review() -> None:
    waiting = publish_listing(listing(), COMPANY, OWNER, NOW, trusted=False)
    assert (waiting.state, waiting.publish_time) == (ListingState.PENDING_REVIEW, None)


def test_after_a_request_for_changes_a_listing_is_reviewed_again_for_every_publisher() -> None:
    asked = apply_decision(
        listing(ListingState.PENDING_REVIEW),
        ModerationDecision.REQUEST_CHANGES,
        MODERATOR,
        NOW,
        "Say where the work is.",
    )
    assert asked.history[-1].reason == "Say where the work is."
    again = publish_listing(asked, COMPANY, OWNER, NOW, trusted=True)
    assert again.state is ListingState.PENDING_REVIEW


def test_a_listing_is_recalled_from_review_to_a_draft() -> None:
    assert (
        move_listing(listing(ListingState.PENDING_REVIEW), ListingState.DRAFT, OWNER, NOW).state
        is ListingState.DRAFT
    )


@pytest.mark.parametrize(
    "state", [ListingState.PENDING_REVIEW, ListingState.CHANGES_REQUESTED, ListingState.SUSPENDED]
)
def test_reopening_is_no_way_around_a_review(state: ListingState) -> None:
    with pytest.raises(DomainError) as refused:
        reopen_listing(listing(state), COMPANY, OWNER, NOW)
    assert refused.value.reason == "ILLEGAL_TRANSITION"


@pytest.mark.parametrize(
    ("state", "approved", "trusted"),
    [
        ("", "", False),
        ("UNVERIFIED", "", False),
        ("UNVERIFIED", "int_1", True),
        ("PENDING", "int_1", True),
        ("VERIFIED", "", True),
        ("REJECTED", "int_1", False),
        ("SUSPENDED", "int_1", False),
    ],
)
def test_a_company_is_trusted_once_verified_or_approved_unless_it_was_refused(
    state: str, approved: str, trusted: bool
) -> None:
    assert CompanyStanding(id="cmp_1", state=state, approved_listing_id=approved).is_trusted is trusted


def test_older_news_of_a_company_changes_nothing() -> None:
    known = UNKNOWN.with_state("SUSPENDED", 5)
    assert known.with_state("VERIFIED", 4) == known


def test_what_a_page_shows_counts_until_there_is_news() -> None:
    assert UNKNOWN.with_page_state("VERIFIED").is_trusted
    assert not UNKNOWN.with_state("REJECTED", 3).with_page_state("VERIFIED").is_trusted


@pytest.mark.parametrize(
    "state",
    [ListingState.OPEN, ListingState.PAUSED, ListingState.FILLED, ListingState.EXPIRED, ListingState.CLOSED],
)
def test_what_a_public_listing_says_is_not_changed_past_the_review(state: ListingState) -> None:
    changed = replace(POSTING, description="We build bridges.")
    with pytest.raises(DomainError) as refused:
        check_edit_allowed(listing(state), changed, UNKNOWN)
    assert refused.value.reason == "COMPANY_NOT_VERIFIED"
    check_edit_allowed(listing(state), changed, UNKNOWN.with_approved_listing("int_1"))
    check_edit_allowed(listing(state), replace(POSTING, openings=3, external_id="A-7"), UNKNOWN)


FEE = "Pay a 99 USD fee first."
APPROVED = UNKNOWN.with_approved_listing("int_1")
VERIFIED = UNKNOWN.with_state("VERIFIED", 1)


def test_a_listing_that_asks_for_a_fee_waits_however_many_others_were_approved() -> None:
    asks = replace(POSTING, description=FEE)
    assert APPROVED.may_publish_unread(POSTING)
    assert not APPROVED.may_publish_unread(asks)
    assert VERIFIED.may_publish_unread(asks)
    assert not APPROVED.with_state("SUSPENDED", 2).may_publish_unread(POSTING)


def test_a_fee_does_not_get_into_a_public_listing_of_an_unverified_company_by_an_edit() -> None:
    public = listing(ListingState.OPEN)
    with pytest.raises(DomainError, match="description") as refused:
        check_edit_allowed(public, replace(POSTING, description=FEE), APPROVED)
    assert refused.value.reason == "COMPANY_NOT_VERIFIED"
    check_edit_allowed(public, replace(POSTING, description=FEE), VERIFIED)
    check_edit_allowed(public, replace(POSTING, description="We build bridges."), APPROVED)


def test_what_a_person_has_read_may_stay_while_the_rest_is_edited() -> None:
    read = replace(POSTING, description="We take no fees.")
    public = replace(listing(ListingState.OPEN), posting=read)
    check_edit_allowed(public, replace(read, title="Bridges"), APPROVED)
    with pytest.raises(DomainError):
        check_edit_allowed(public, replace(read, description="We take fees."), APPROVED)


def test_a_draft_may_be_changed_by_anybody() -> None:
    check_edit_allowed(listing(), replace(POSTING, description="Anything"), UNKNOWN)


@pytest.mark.parametrize("decision", list(ModerationDecision))
@pytest.mark.parametrize("state", list(ListingState))
def test_decisions_keep_to_the_table(state: ListingState, decision: ModerationDecision) -> None:
    before = listing(state)
    try:
        after = apply_decision(before, decision, MODERATOR, NOW, "why")
    except DomainError as error:
        assert error.reason == "ILLEGAL_TRANSITION"
        return
    assert after.state is not state
    assert {change.actor for change in after.history} == {ActorKind.MODERATOR}
    assert {change.reason for change in after.history} == {"why"}


def test_refusing_a_listing_archives_it() -> None:
    refused = apply_decision(
        listing(ListingState.PENDING_REVIEW), ModerationDecision.REJECT, MODERATOR, NOW, "A fraud."
    )
    assert [change.target for change in refused.history] == [
        ListingState.CHANGES_REQUESTED,
        ListingState.ARCHIVED,
    ]


def test_only_a_draft_that_was_never_published_is_deleted() -> None:
    assert deletion_error(listing()) is None
    was_public = replace(listing(), publish_time=NOW)
    for other in (was_public, *(listing(state) for state in ListingState if state is not ListingState.DRAFT)):
        refusal = deletion_error(other)
        assert refusal is not None
        assert refusal.reason == "ILLEGAL_TRANSITION"


def test_who_may_not_delete_a_listing_is_told_what_can_be_done_with_it() -> None:
    for state in ListingState:
        refusal = deletion_error(replace(listing(state), publish_time=NOW))
        assert refusal is not None
        targets = {move.target for move in refusal.allowed_transitions}
        assert ("archive it instead" in str(refusal)) == ("INTERNSHIP_STATE_ARCHIVED" in targets)
    assert "recall it first" in str(deletion_error(listing(ListingState.PENDING_REVIEW)))
    assert "close it first" in str(deletion_error(listing(ListingState.OPEN)))


@pytest.mark.parametrize(
    "text",
    [
        "Before you start, pay a 99 USD fee.",
        "A refundable registration deposit is due.",
        "Send $50 to our agent.",
        "Please transfer 1.500 EUR for the laptop.",
        "\uff30\uff41\uff59 \uff41 \uff46\uff45\uff45 first",
        "Eine Gebühr von 20 Euro",
        "Payment by Western Union only",
        "Write to us on WhatsApp",
        "Apply at hr.bigcompany@gmail.com",
        "Send your bank details",
    ],
)
def test_a_listing_that_asks_for_money_or_leads_elsewhere_is_flagged(text: str) -> None:
    [flag] = {flag.field for flag in moderation_flags(replace(POSTING, description=text))}
    assert flag == "description"


@pytest.mark.parametrize(
    "text", ["You get coffee and feedback.", "We pay monthly.", "Build a deposit box API."]
)
def test_harmless_words_raise_no_flag(text: str) -> None:
    assert not moderation_flags(replace(POSTING, description=text))


def test_every_text_of_a_listing_is_looked_at() -> None:
    fee = "A fee is due"
    unpaid = Compensation(unpaid_basis=fee)
    flagged = replace(POSTING, title=fee, responsibilities=(fee,), qualifications=(fee,), compensation=unpaid)
    assert {flag.field for flag in moderation_flags(flagged)} == {
        "title",
        "responsibilities",
        "qualifications",
        "compensation.unpaidBasis",
    }
