"""A histogram of plain numbers, for what each call pays for.

The children of prometheus_client take a lock for each of their numbers; these are changed by the event loop
only.
"""

from bisect import bisect_left
from itertools import accumulate

from prometheus_client.utils import floatToGoString


class PlainHistogram:
    """Durations in buckets with these upper bounds, in seconds, and one more for all others."""

    __slots__ = ("_bounds_s", "_count_by_bucket", "sum_s")

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self._bounds_s = bounds_s
        self._count_by_bucket = [0] * (len(bounds_s) + 1)
        self.sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Add one duration."""
        self._count_by_bucket[bisect_left(self._bounds_s, duration_s)] += 1
        self.sum_s += duration_s

    def samples(self) -> list[tuple[str, float]]:
        """Return each bucket's bound and the durations up to it, as a metric family takes them."""
        bounds = (*map(floatToGoString, self._bounds_s), "+Inf")
        return list(zip(bounds, accumulate(self._count_by_bucket), strict=True))
