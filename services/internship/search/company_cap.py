"""Pages of ranked rows with at most three rows of a company, which lose none of its rows.

Rows have one total order. A row that would be its company's fourth on a page is left for later pages: the
cursor keeps, next to the position of the scan, each such company with the last of its rows that was shown.
The next page begins with the waiting rows, then continues from the position.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, Generic, Protocol, TypeVar

MAX_PER_COMPANY: Final = 3
MAX_WAITING_COMPANIES: Final = 6
"""Companies with waiting rows in one cursor; a page ends early before there are more."""
MAX_ROUNDS: Final = 12

SortKey = tuple[int, str]
"""The position of a row in the order: its sort value and its ID."""


class RankedRow(Protocol):
    """A row for paging."""

    @property
    def key(self) -> SortKey: ...

    @property
    def company_id(self) -> str: ...


R = TypeVar("R", bound=RankedRow)


@dataclass(frozen=True, slots=True)
class RowSlice(Generic[R]):
    """Rows in order; `is_complete` when there are none after them."""

    rows: Sequence[R]
    is_complete: bool


class RowSource(Protocol[R]):
    """A source of rows in one total order."""

    async def scan(self, after: SortKey | None, without: frozenset[str], limit: int) -> RowSlice[R]:
        """Return the next rows after a key, without those of some companies."""
        ...

    async def scan_company(
        self, company_id: str, after: SortKey, until: SortKey | None, limit: int
    ) -> Sequence[R]:
        """Return one company's next rows after a key, up to and including another; None: to the end."""
        ...


@dataclass(frozen=True, slots=True)
class CompanyCapCursor:
    """The begin of the next page. `waiting` maps a company to its last shown row."""

    position: SortKey | None = None
    exhausted: bool = False
    waiting: dict[str, SortKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CappedPage(Generic[R]):
    """Rows to show, and the cursor of the next page if there is one."""

    rows: list[R]
    next: CompanyCapCursor | None


async def fill_page(
    source: RowSource[R],
    cursor: CompanyCapCursor,
    size: int,
    *,
    descending: bool,
    per_company: int = MAX_PER_COMPANY,
) -> CappedPage[R]:
    """Return the page of at most `size` rows that begins at `cursor`."""
    draft = _PageBuilder[R](cursor, size, per_company)
    await draft.add_waiting(source, descending)
    for _ in range(MAX_ROUNDS):
        if draft.is_done:
            break
        limit = draft.remaining * 2 + 10
        draft.add_in_order(await source.scan(draft.position, frozenset(draft.waiting), limit))
    return CappedPage(draft.rows, draft.cursor())


class _PageBuilder(Generic[R]):
    """A page while it is filled."""

    def __init__(self, cursor: CompanyCapCursor, size: int, per_company: int) -> None:
        self.rows: list[R] = []
        self.position = cursor.position
        self.waiting = dict(cursor.waiting)
        self._exhausted = cursor.exhausted
        self._stopped = False
        self._size = size
        self._per_company = per_company
        self._shown: Counter[str] = Counter()
        self._last: dict[str, SortKey] = {}

    @property
    def remaining(self) -> int:
        return self._size - len(self.rows)

    @property
    def is_done(self) -> bool:
        return self._exhausted or self._stopped or self.remaining == 0

    def cursor(self) -> CompanyCapCursor | None:
        if self._exhausted and not self.waiting:
            return None
        return CompanyCapCursor(self.position, self._exhausted, self.waiting)

    async def add_waiting(self, source: RowSource[R], descending: bool) -> None:
        """Show the waiting rows of earlier pages; companies with more of them stay waiting."""
        if not self.waiting:
            return
        until = None if self._exhausted else self.position
        limit = self._per_company + 1
        found = await asyncio.gather(
            *(source.scan_company(company, after, until, limit) for company, after in self.waiting.items())
        )
        left = dict(zip(self.waiting, map(len, found), strict=True))
        for row in _merge_sorted((rows[: self._per_company] for rows in found), descending)[: self._size]:
            self._add(row)
            left[row.company_id] -= 1
            self.waiting[row.company_id] = row.key
        self.waiting = {company: key for company, key in self.waiting.items() if left[company]}

    def add_in_order(self, part: RowSlice[R]) -> None:
        """Show the next rows in order, or leave them to a later page."""
        for row in part.rows:
            if self.remaining == 0 or not self._try_add(row):
                return
            self.position = row.key
        self._exhausted = part.is_complete

    def _try_add(self, row: R) -> bool:
        company = row.company_id
        if self._shown[company] < self._per_company:
            self._add(row)
            return True
        if company not in self.waiting and len(self.waiting) == MAX_WAITING_COMPANIES:
            self._stopped = True
            return False
        self.waiting.setdefault(company, self._last[company])
        return True

    def _add(self, row: R) -> None:
        self.rows.append(row)
        self._shown[row.company_id] += 1
        self._last[row.company_id] = row.key


def _merge_sorted(parts: Iterable[Sequence[R]], descending: bool) -> list[R]:
    return sorted((row for rows in parts for row in rows), key=attrgetter("key"), reverse=descending)


def merge_slices(parts: Sequence[Sequence[R]], limit: int, *, descending: bool) -> RowSlice[R]:
    """Return the rows of several sources, each read with the limit `limit`, as one slice.

    A source that returned `limit` rows may have more: rows of others beyond its last row are left out.
    """
    rows = _merge_sorted(parts, descending)
    ends = [rows_of_one[-1].key for rows_of_one in parts if len(rows_of_one) >= limit]
    if not ends:
        return RowSlice(rows, is_complete=True)
    horizon = max(ends) if descending else min(ends)
    within = [row for row in rows if (row.key >= horizon if descending else row.key <= horizon)]
    return RowSlice(within, is_complete=False)
