"""Pages in which no company takes more than three places, against the plain order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.internship.search.company_cap import (
    MAX_PER_COMPANY,
    MAX_WAITING_COMPANIES,
    CompanyCapCursor,
    RowSlice,
    SortKey,
    fill_page,
    merge_slices,
)


@dataclass(frozen=True)
class SampleRankedRow:
    value: int
    id: str
    company_id: str

    @property
    def key(self) -> SortKey:
        return (self.value, self.id)


class Shards:
    """Rows in memory on a few shards, asked as real ones are."""

    def __init__(self, rows: Sequence[SampleRankedRow], descending: bool, shards: int = 2) -> None:
        self.rows = list(rows)
        self.descending = descending
        self.shards = shards

    async def scan(
        self, after: SortKey | None, without: frozenset[str], limit: int
    ) -> RowSlice[SampleRankedRow]:
        rows = [row for row in self._after(after) if row.company_id not in without]
        parts = [
            [row for row in rows if int(row.company_id) % self.shards == shard][:limit]
            for shard in range(self.shards)
        ]
        return merge_slices(parts, limit, descending=self.descending)

    async def scan_company(
        self, company_id: str, after: SortKey, until: SortKey | None, limit: int
    ) -> list[SampleRankedRow]:
        rows = [row for row in self._after(after) if row.company_id == company_id]
        return [row for row in rows if until is None or not self._is_after(row.key, until)][:limit]

    def _after(self, key: SortKey | None) -> list[SampleRankedRow]:
        ordered = sorted(self.rows, key=lambda row: row.key, reverse=self.descending)
        return [row for row in ordered if key is None or self._is_after(row.key, key)]

    def _is_after(self, key: SortKey, other: SortKey) -> bool:
        return key < other if self.descending else key > other


async def pages(source: Shards, size: int, *, most: int = 500) -> list[list[SampleRankedRow]]:
    found, cursor = [], CompanyCapCursor()
    for _ in range(most):
        page = await fill_page(source, cursor, size, descending=source.descending)
        found.append(page.rows)
        if page.next is None:
            return found
        cursor = page.next
        assert len(cursor.waiting) <= MAX_WAITING_COMPANIES
    raise AssertionError("the pages do not end")


rows_of_companies = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=120).map(
    lambda pairs: [
        SampleRankedRow(value, f"{index:03}", str(company)) for index, (value, company) in enumerate(pairs)
    ]
)


@given(rows_of_companies, st.integers(1, 25), st.booleans())
async def test_every_row_comes_once_and_no_company_more_than_three_times_a_page(
    rows: list[SampleRankedRow], size: int, descending: bool
) -> None:
    found = await pages(Shards(rows, descending), size)
    assert Counter(row.id for page in found for row in page) == Counter(row.id for row in rows)
    for page in found:
        assert len(page) <= size
        assert max(Counter(row.company_id for row in page).values(), default=0) <= MAX_PER_COMPANY


@given(rows_of_companies, st.integers(1, 25), st.booleans())
async def test_the_rows_of_one_company_keep_their_order(
    rows: list[SampleRankedRow], size: int, descending: bool
) -> None:
    source = Shards(rows, descending)
    found = [row for page in await pages(source, size) for row in page]
    for company in {row.company_id for row in rows}:
        keys = [row.key for row in found if row.company_id == company]
        assert keys == sorted(keys, reverse=descending)


async def test_below_the_company_cap_the_order_is_unchanged() -> None:
    rows = [SampleRankedRow(index, f"{index:03}", str(index)) for index in range(57)]
    found = await pages(Shards(rows, descending=True), 10)
    assert [row.value for page in found for row in page] == list(range(56, -1, -1))
    assert [len(page) for page in found] == [10, 10, 10, 10, 10, 7]


async def test_one_company_alone_comes_three_at_a_time() -> None:
    rows = [SampleRankedRow(index, f"{index:03}", "1") for index in range(8)]
    assert [len(page) for page in await pages(Shards(rows, descending=True), 20)] == [3, 3, 2]


async def test_rows_added_between_pages_disturb_nothing() -> None:
    source = Shards(
        [SampleRankedRow(index, f"{index:03}", str(index % 5)) for index in range(60)], descending=True
    )
    first = await fill_page(source, CompanyCapCursor(), 10, descending=True)
    seen = [row.id for row in first.rows]
    source.rows += [SampleRankedRow(100 + index, f"new{index}", str(index % 5)) for index in range(20)]
    cursor = first.next
    while cursor is not None:
        page = await fill_page(source, cursor, 10, descending=True)
        seen += [row.id for row in page.rows]
        cursor = page.next
    assert sorted(seen) == [f"{index:03}" for index in range(60)]


@pytest.mark.parametrize("descending", [True, False])
def test_a_merge_leaves_out_what_lies_beyond_a_part_that_may_go_on(descending: bool) -> None:
    order = (9, 7, 5, 3, 1) if descending else (1, 3, 5, 7, 9)
    full = [SampleRankedRow(value, "a", "1") for value in order[:2]]
    short = [SampleRankedRow(value, "b", "2") for value in (order[0], order[4])]
    merged = merge_slices([full, short[:1]], 2, descending=descending)
    assert not merged.is_complete
    assert [row.value for row in merged.rows] == [order[0], order[0], order[1]]
    assert merge_slices([full, short], 3, descending=descending).is_complete
