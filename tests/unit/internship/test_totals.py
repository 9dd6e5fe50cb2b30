"""How many listings are said to match where they are too many to be counted."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.search.query_parser import QueryTerm
from chassis.search.totals import MAX_COUNTED_MATCHES
from services.internship.repository.search_index import ShardedMatches
from services.internship.search.query import SearchQuery

NOW = datetime(2026, 11, 28, tzinfo=UTC)


@dataclass
class _Counted:
    results: list[int]
    missing_shards: list[str] = field(default_factory=list)


class _TwoFullShards:
    async def scatter(self, _ask: Any, _within_s: float) -> _Counted:
        return _Counted([MAX_COUNTED_MATCHES + 1, MAX_COUNTED_MATCHES + 1])


@pytest.mark.parametrize(("of_the_word", "said"), [(15_227, 4_000), (3_000, 3_000), (10, 2_002)])
async def test_no_more_listings_are_said_to_match_than_there_are(of_the_word: int, said: int) -> None:
    word = QueryTerm("c", {"content": 1, "copywriting": 1}, 1, of_the_word)
    shards: Any = _TwoFullShards()

    total = await ShardedMatches(shards, SearchQuery(words=(word,)), NOW).estimate_total(4_000)

    assert (total.size, total.is_estimate) == (said, True)
