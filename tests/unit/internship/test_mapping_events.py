"""The events of listings, and their messages."""

from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.events import (
    ListingEvent,
    ListingWasDeleted,
    ListingWasViewed,
    events_of_change,
    last_state_change,
)
from services.internship.domain.model import ListingCompany, ListingState
from services.internship.domain.transitions import move_listing, publish_listing, rename_company
from services.internship.mapping.events import event_message, state_change_message
from services.internship.mapping.listings import listing_from_message, listing_to_message
from tests.unit.internship.samples import COMPANY, NOW, OWNER, listing


def test_a_move_is_a_change_of_state_from_one_to_the_other() -> None:
    draft = listing()
    opened = publish_listing(draft, COMPANY, OWNER, NOW, trusted=True)
    [event] = events_of_change(draft, opened)
    message = event_message(event, NOW)
    assert isinstance(message, events.InternshipStateChanged)
    assert (getattr(message, "from"), message.to) == (
        pb.INTERNSHIP_STATE_DRAFT,
        pb.INTERNSHIP_STATE_OPEN,
    )
    assert message.internship == listing_to_message(opened, NOW)


def test_another_name_of_the_company_is_an_update() -> None:
    draft = listing()
    renamed = rename_company(draft, ListingCompany(id=COMPANY.id, name="Other"), NOW)
    [event] = events_of_change(draft, renamed)
    message = event_message(event, NOW)
    assert isinstance(message, events.InternshipUpdated)
    assert message.internship.company.name == "Other"


def test_a_listing_that_is_the_same_has_no_events() -> None:
    assert list(events_of_change(listing(), listing())) == []


def test_deletions_and_views_name_the_listing_and_its_company() -> None:
    changes: list[ListingEvent] = [
        ListingWasDeleted("int_1", "cmp_1", 3),
        ListingWasViewed("int_1", "cmp_1", 2),
    ]
    assert [event_message(event, NOW) for event in changes] == [
        events.InternshipDeleted(internship_id="int_1", company_id="cmp_1", version=3),
        events.InternshipViewed(internship_id="int_1", company_id="cmp_1", views=2),
    ]


def test_the_last_change_of_state_has_the_version_and_time_of_its_move() -> None:
    opened = publish_listing(listing(), COMPANY, OWNER, NOW, trusted=True)
    renamed = rename_company(opened, ListingCompany(id=COMPANY.id, name="Other"), NOW)
    change, time = last_state_change(renamed)
    message = state_change_message(change, NOW)
    assert (message.internship.version, message.to, time) == (opened.version, pb.INTERNSHIP_STATE_OPEN, NOW)


def test_a_listing_is_read_back_from_its_message() -> None:
    paused = move_listing(
        publish_listing(listing(), COMPANY, OWNER, NOW, trusted=True), ListingState.PAUSED, OWNER, NOW
    )
    read = listing_from_message(listing_to_message(paused, NOW))
    assert (read.id, read.company, read.state, read.version) == (paused.id, COMPANY, paused.state, 3)
    assert (read.posting, read.publish_time) == (paused.posting, NOW)
