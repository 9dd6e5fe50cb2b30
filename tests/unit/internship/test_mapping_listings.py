"""Listings as messages and back."""

from dataclasses import replace

from chassis.mongo.documents import from_document, to_document
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.model import (
    DateWindow,
    Eligibility,
    Employment,
    Listing,
    ListingState,
    Question,
    QuestionKind,
)
from services.internship.domain.transitions import publish_listing
from services.internship.mapping.listings import (
    WRITABLE_FIELDS,
    listing_to_message,
    posting_from_message,
    posting_to_message,
)
from tests.unit.internship.samples import COMPANY, NOW, OWNER, POSTING, listing

FULL = replace(
    POSTING,
    employment=Employment.PART_TIME,
    responsibilities=("Test",),
    qualifications=("Curious",),
    hours_per_week=20,
    start_window=DateWindow(first="2027-06-01", last="2027-07-01"),
    apply_open_time=NOW,
    eligibility=Eligibility(school_years=("2",), majors=("CS",), work_authorisation=("DE",)),
    questions=(Question(id="q", kind=QuestionKind.SINGLE_CHOICE, text="Which?", choices=("a", "b")),),
    documents_required=("résumé",),
    respond_within_days=10,
    external_id="X-1",
    blind_review=True,
)


def test_a_posting_survives_the_way_to_a_message_and_back() -> None:
    assert posting_from_message(posting_to_message(FULL)) == FULL


def test_every_field_that_a_company_writes_is_in_the_contract() -> None:
    output_only = {
        "id", "company", "state", "hires", "effective_hourly_pay_minor", "days_left", "open_for_applications",
        "etag", "version", "create_time", "update_time", "publish_time", "review_note",
    }  # fmt: skip
    assert set(WRITABLE_FIELDS) | output_only == set(pb.Internship.DESCRIPTOR.fields_by_name)


def test_a_listing_survives_the_way_to_its_document_and_back() -> None:
    opened = publish_listing(replace(listing(), posting=FULL), COMPANY, OWNER, NOW, trusted=True)
    document = to_document(opened, slot=7)
    assert (document["_id"], document["slot"], document["state"]) == (opened.id, 7, "OPEN")
    assert from_document(Listing, document) == opened


def test_a_message_carries_what_follows_from_the_time() -> None:
    message = listing_to_message(listing(ListingState.OPEN), NOW)
    assert message.state == pb.INTERNSHIP_STATE_OPEN
    assert (message.days_left, message.open_for_applications) == (14, True)
    assert message.effective_hourly_pay_minor == 1_154
    assert message.etag


def test_white_space_and_blank_entries_are_dropped() -> None:
    message = pb.Internship(title="  Intern ", responsibilities=[" ", "a"], skills=[pb.SkillNeed(name="  ")])
    posting = posting_from_message(message)
    assert (posting.title, posting.responsibilities, posting.skills, posting.openings) == (
        "Intern",
        ("a",),
        (),
        1,
    )
