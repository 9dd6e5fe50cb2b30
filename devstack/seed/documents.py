"""Documents of all services that are written together."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chassis.mongo.documents import Document


@dataclass(frozen=True, slots=True)
class Place:
    """A collection of a service."""

    service: str
    collection: str


ACCOUNTS: Final = Place("auth", "accounts")
EMAIL_DIRECTORY: Final = Place("auth", "email_directory")
COMPANY_MEMBERS: Final = Place("auth", "company_members")
PROFILES: Final = Place("user", "profiles")
COMPANIES: Final = Place("user", "companies")
STUDENT_SEARCH: Final = Place("user", "student_search")
RECIPIENTS: Final = Place("notification", "recipients")
COMPANY_RECIPIENTS: Final = Place("notification", "company_recipients")
LISTINGS: Final = Place("internship", "listings")
OPENING_CLAIMS: Final = Place("internship", "claims")
DELETED_LISTINGS: Final = Place("internship", "deleted_listings")
STANDINGS: Final = Place("internship", "company_standings")
SEARCH_LISTINGS: Final = Place("internship", "search_listings")
APPLICATIONS: Final = Place("application", "applications")
APPLICANTS: Final = Place("application", "applicants")
LISTING_ENDINGS: Final = Place("application", "listing_endings")
APPLICATION_TRACKS: Final = Place("analytics", "application_tracks")
FUNNELS: Final = Place("analytics", "listing_funnels")
OVERVIEWS: Final = Place("analytics", "company_overviews")

COMMITTING_PLACES: Final = frozenset({ACCOUNTS, LISTINGS})
"""Written last: who finds an account or a listing finds all that belongs to it, also after a break-off."""


class DocumentSet:
    """Documents by the collection that they belong to; each holds its `slot`."""

    def __init__(self) -> None:
        self._by_place: dict[Place, list[Document]] = defaultdict(list)

    def add(self, place: Place, *documents: Document) -> None:
        """Add documents of a collection."""
        self._by_place[place].extend(documents)

    def merge(self, others: "DocumentSet") -> None:
        """Add all documents of another set."""
        for place, documents in others.items():
            self.add(place, *documents)

    def stamp(self, place: Place, field: str, value: object) -> None:
        """Set a field of all documents of a collection that is known only when they are written."""
        for document in self._by_place[place]:
            document[field] = value

    def items(self) -> Iterator[tuple[Place, list[Document]]]:
        """Yield each collection with its documents."""
        yield from self._by_place.items()
