"""Whether two samples of times differ: the rank sum test of Mann and Whitney, and by how much.

Both are robust against the few very long answers of a busy machine. The test is the one with the normal
approximation and the correction for ties; the shift is the estimate of Hodges and Lehmann.
"""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Final

MAX_Z: Final = 3.3
"""Two samples of one distribution exceed it once in a thousand times."""
MIN_SHIFT_S: Final = 0.001
"""A smaller shift is not measured through a network, however certain it is."""


def rank_sum_z(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the standardised rank sum of `first`: positive where its values are the larger ones.

    Raises ValueError for a sample without values.
    """
    if not first or not second:
        raise ValueError("both samples need values")
    ranks = _mean_ranks([*first, *second])
    total = len(first) + len(second)
    wins = sum(ranks[value] for value in first) - len(first) * (len(first) + 1) / 2
    ties = sum(count**3 - count for count in Counter([*first, *second]).values())
    variance = len(first) * len(second) / 12 * (total + 1 - ties / (total * (total - 1)))
    return (wins - len(first) * len(second) / 2) / math.sqrt(variance) if variance > 0 else 0.0


def shift_between(first: Sequence[float], second: Sequence[float]) -> float:
    """Return by how much the values of `first` are larger, in their unit: the median of all differences."""
    return statistics.median(one - other for one, other in product(first, second))


def tells_apart(first: Sequence[float], second: Sequence[float]) -> bool:
    """Return whether these times, in seconds, tell which sample an answer is of."""
    is_certain = abs(rank_sum_z(first, second)) > MAX_Z
    return is_certain and abs(shift_between(first, second)) > MIN_SHIFT_S


def _mean_ranks(values: Sequence[float]) -> dict[float, float]:
    """Return the rank of each value, from 1; equal ones share the mean of theirs."""
    ranks: dict[float, float] = {}
    before = 0
    for value, count in sorted(Counter(values).items()):
        ranks[value] = before + (count + 1) / 2
        before += count
    return ranks
