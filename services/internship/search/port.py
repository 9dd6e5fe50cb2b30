"""The port of the search index."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chassis.search.totals import TotalEstimate
from services.internship.search.company_cap import RowSource
from services.internship.search.index_entry import IndexEntry
from services.internship.search.phrases import Phrase
from services.internship.search.query import FacetDimension, SearchQuery
from services.internship.search.requests import FacetCount, SearchHit, SearchMatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """The mark of a listing that is not open: it keeps a late event from restoring the entry."""

    id: str
    version: int
    gone_time: datetime


ExpectedEntry = IndexEntry | Tombstone
"""The right entry of a listing."""


@dataclass(frozen=True, slots=True)
class IndexCounts:
    """The numbers of entries with each term and each phrase, and of all entries."""

    terms: Counter[str]
    listings: int
    phrases: Sequence[tuple[Phrase, int]]
    partitions: Sequence[str]
    """The names of all partitions, those that did not answer included."""


@dataclass(frozen=True, slots=True)
class IndexChange:
    """An entry that was indexed: its terms and phrases (none for a tombstone), and the time."""

    listing_id: str
    version: int
    terms: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    index_time: datetime


@dataclass(frozen=True, slots=True)
class ChangePosition:
    """The time from which changes of one partition are read, and their maximum number."""

    since: datetime
    limit: int


class QueryMatches(RowSource[SearchMatch], Protocol):
    """The matches of one query at one time. `missing` names the partitions that have not answered.

    Every method raises UNAVAILABLE when no partition answers.
    """

    now: datetime
    missing: set[str]

    async def load_hits(self, matches: Sequence[SearchMatch]) -> list[SearchHit]:
        """Return the hit of each match, in their order; a match that is gone is left out."""
        ...

    async def count_facets(self) -> dict[FacetDimension, list[FacetCount]]:
        """Count the matches by each dimension; every dimension leaves out its own filter."""
        ...

    async def estimate_total(self, listings: int) -> TotalEstimate:
        """Count the matches; `listings` bounds the estimate when there are too many to count."""
        ...


class SearchIndex(Protocol):
    """Index entries of open listings, and tombstones of others."""

    async def put(self, entry: IndexEntry) -> bool:
        """Store the entry; return False when the index has a version as new or newer."""
        ...

    async def delete(self, listing_id: str, version: int) -> bool:
        """Replace the entry by a tombstone; return False when the index has a version as new or newer."""
        ...

    def find_matches(self, query: SearchQuery) -> QueryMatches:
        """Return the matches of a query as of now; they are read on demand."""
        ...

    async def count_words(self) -> IndexCounts:
        """Count all terms and phrases, on the partitions that answer. Reads the whole index."""
        ...

    async def list_changes(
        self, positions: Mapping[str, ChangePosition], first: ChangePosition
    ) -> Mapping[str, list[IndexChange]]:
        """Return each partition's changes since its position, oldest first, on the partitions that answer.

        A partition without a position is read from `first`.
        """
        ...

    async def reconcile(
        self,
        expected: Sequence[ExpectedEntry],
        reread: Callable[[str], Awaitable[ExpectedEntry | None]],
        *,
        write: bool,
    ) -> int:
        """Replace the entries that differ from the expected ones; return their number.

        `reread` returns the expected entry of one listing as of now. Without `write` nothing is changed.
        """
        ...

    async def remove(self, listing_ids: Collection[str]) -> None:
        """Delete entries, without tombstones."""
        ...

    def iterate_ids(self) -> AsyncIterator[list[str]]:
        """Yield the IDs of all entries and tombstones, page by page."""
        ...

    async def list_outdated_ids(self, limit: int) -> list[str]:
        """Return IDs of entries in an older format, at most `limit` of each partition that answers."""
        ...
