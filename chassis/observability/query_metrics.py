"""The durations of commands to MongoDB, as the caller waits: plain numbers that a collector reads.

Each command pays for them, so they cost well under 2 µs. Operations and collections are names in the code.
"""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from chassis.observability.plain_histogram import PlainHistogram

QUERY_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)


class QueryTimer(PlainHistogram):
    """The durations of one operation on one collection; `with timer.measure():` adds one."""

    __slots__ = ("collection", "operation")

    def __init__(self, operation: str, collection: str) -> None:
        super().__init__(QUERY_BUCKETS_S)
        self.operation = operation
        self.collection = collection

    def measure(self) -> "_Measurement":
        """Return a block whose duration is added, whether it fails or not."""
        return _Measurement(self)


class _Measurement:
    __slots__ = ("_began_at", "_timer")

    def __init__(self, timer: QueryTimer) -> None:
        self._timer = timer

    def __enter__(self) -> None:
        self._began_at = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.add(time.monotonic() - self._began_at)


class QueryMetricsCollector(Collector):
    """Exports `database_query_duration_seconds`."""

    def __init__(self) -> None:
        self._timers: dict[tuple[str, str], QueryTimer] = {}

    def timer_of(self, operation: str, collection: str) -> QueryTimer:
        """Return the one timer of an operation on a collection."""
        key = (operation, collection)
        timer = self._timers.get(key)
        if timer is None:
            timer = self._timers[key] = QueryTimer(operation, collection)
        return timer

    def collect(self) -> Iterable[Metric]:
        """Return the family as it is now."""
        family = HistogramMetricFamily(
            "database_query_duration_seconds",
            "From a command to its answer, as the caller waits; each batch of a cursor is one.",
            labels=("operation", "collection"),
        )
        for timer in list(self._timers.values()):
            family.add_metric((timer.operation, timer.collection), timer.samples(), timer.sum_s)
        return (family,)


QUERY_METRICS: Final = QueryMetricsCollector()
REGISTRY.register(QUERY_METRICS)
