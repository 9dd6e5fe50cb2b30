"""The events of listings, by which other services follow changes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from services.internship.domain.model import Listing, ListingState


@dataclass(frozen=True, slots=True)
class ListingWasCreated:
    """A company has drafted a listing."""

    listing: Listing


@dataclass(frozen=True, slots=True)
class ListingWasUpdated:
    """The posting or the company's name has changed."""

    listing: Listing


@dataclass(frozen=True, slots=True)
class ListingStateWasChanged:
    """The listing has moved; `source` is None when only its present state is known."""

    listing: Listing
    source: ListingState | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ListingWasDeleted:
    """A draft was deleted; `version` is the one after its last."""

    listing_id: str
    company_id: str
    version: int


@dataclass(frozen=True, slots=True)
class ListingWasViewed:
    """A listing has new readers; `views` is their number."""

    listing_id: str
    company_id: str
    views: int


ListingEvent = (
    ListingWasCreated | ListingWasUpdated | ListingStateWasChanged | ListingWasDeleted | ListingWasViewed
)


def events_of_change(old: Listing, new: Listing) -> Iterator[ListingEvent]:
    """Yield the events between two versions: another text, another state, or both."""
    if (new.posting, new.company) != (old.posting, old.company):
        yield ListingWasUpdated(new)
    if new.state is not old.state:
        yield ListingStateWasChanged(new, old.state, new.history[-1].reason)


def last_state_change(listing: Listing) -> tuple[ListingStateWasChanged, datetime]:
    """Return the last published change of the listing's state, and its time; of a draft, its creation."""
    last = listing.history[-1] if listing.history else None
    version, time = (last.version, last.time) if last else (1, listing.create_time)
    return ListingStateWasChanged(replace(listing, version=version), source=None), time
