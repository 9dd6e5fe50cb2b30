"""The vocabulary follows the index, and reads no change again and again."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from chassis.clock import FixedClock
from services.internship.search.lexicon import MAX_DELAY, OVERLAP, Lexicon
from services.internship.search.port import ChangePosition, IndexChange, IndexCounts

START = datetime(2027, 3, 1, tzinfo=UTC)


class _Index:
    """An index on one shard, which keeps where it was read from."""

    def __init__(self) -> None:
        self.changes: list[IndexChange] = []
        self.read_since: list[datetime] = []

    async def count_words(self) -> IndexCounts:
        return IndexCounts(Counter(), 0, [], ["s1"])

    async def list_changes(
        self, positions: Mapping[str, ChangePosition], _first: ChangePosition
    ) -> Mapping[str, list[IndexChange]]:
        since = positions["s1"].since
        self.read_since.append(since)
        return {"s1": [each for each in self.changes if each.index_time >= since]}


def _change(number: int, time: datetime) -> IndexChange:
    return IndexChange(f"int_{number}", 1, (f"word{number}",), (), time)


async def test_a_change_is_read_again_only_while_an_earlier_one_may_still_appear() -> None:
    index, clock = _Index(), FixedClock(START)
    lexicon = Lexicon(cast("Any", index), clock)
    await lexicon.reload()
    index.changes = [_change(number, START + timedelta(seconds=1)) for number in range(3)]

    await lexicon.poll()
    await lexicon.poll()
    assert index.read_since[-1] == START + timedelta(seconds=1) - OVERLAP
    assert lexicon.vocabulary.document_count == 3

    clock.advance(MAX_DELAY + timedelta(seconds=5))
    await lexicon.poll()
    assert index.read_since[-1] > START + timedelta(seconds=1)
    assert lexicon.vocabulary.document_count == 3


async def test_a_change_that_appears_late_is_still_read() -> None:
    index, clock = _Index(), FixedClock(START)
    lexicon = Lexicon(cast("Any", index), clock)
    await lexicon.reload()

    clock.advance(MAX_DELAY - timedelta(seconds=1))
    index.changes = [_change(1, START + timedelta(seconds=2))]
    await lexicon.poll()

    assert lexicon.vocabulary.document_count == 1
