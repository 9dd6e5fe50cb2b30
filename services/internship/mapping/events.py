"""The events of listings as the contract's messages."""

from datetime import datetime

from google.protobuf.message import Message

from internshipconnect.events.v1 import events_pb2 as events
from services.internship.domain.events import (
    ListingEvent,
    ListingStateWasChanged,
    ListingWasCreated,
    ListingWasDeleted,
    ListingWasUpdated,
    ListingWasViewed,
)
from services.internship.mapping.listings import LISTING_STATES, listing_to_message


def event_message(event: ListingEvent, now: datetime) -> Message:
    """Return the message of an event that happens at the time `now`."""
    match event:
        case ListingWasCreated(listing):
            return events.InternshipCreated(internship=listing_to_message(listing, now))
        case ListingWasUpdated(listing):
            return events.InternshipUpdated(internship=listing_to_message(listing, now))
        case ListingStateWasChanged():
            return state_change_message(event, now)
        case ListingWasDeleted(listing_id, company_id, version):
            return events.InternshipDeleted(internship_id=listing_id, company_id=company_id, version=version)
        case ListingWasViewed(listing_id, company_id, views):
            return events.InternshipViewed(internship_id=listing_id, company_id=company_id, views=views)


def state_change_message(event: ListingStateWasChanged, now: datetime) -> events.InternshipStateChanged:
    """Return the message of a change of state."""
    return events.InternshipStateChanged(
        internship=listing_to_message(event.listing, now),
        to=LISTING_STATES.number(event.listing.state),
        reason=event.reason,
        **{"from": LISTING_STATES.number(event.source)},
    )
