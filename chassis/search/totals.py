"""How many documents match, counted on each shard up to a bound, and estimated beyond it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

MAX_COUNTED_MATCHES: Final = 1_000
"""Matches of one shard that are counted one by one; beyond them the total is an estimate."""


@dataclass(frozen=True, slots=True)
class TotalEstimate:
    """How many documents match; an estimate where there are too many to count, or a shard did not answer."""

    size: int = 0
    is_estimate: bool = False


NO_TOTAL: Final = TotalEstimate()


def total_of_counts(
    counts: Sequence[int], *, documents: int, word_counts: Iterable[int], is_partial: bool
) -> TotalEstimate:
    """Return the total of the shards' counts, each up to `MAX_COUNTED_MATCHES` + 1.

    Where one shard has too many to count, the rarest demanded word bounds the estimate.
    """
    if max(counts) <= MAX_COUNTED_MATCHES:
        return TotalEstimate(sum(counts), is_partial)
    return TotalEstimate(max(sum(counts), min((documents, *word_counts))), is_estimate=True)
