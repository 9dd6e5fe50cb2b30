"""The metrics of the chassis in one table; those of answered calls are in `call_metrics`.

Label values come from contracts and settings, never from a request, and are names, not prose. A dependency is
`service/auth`, `mongo/s1` or `redis/host:port`. A process exports only the metrics of the work that it does.
"""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric

_HANDLER_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_EVENT_AGE_SECONDS: Final = (0.1, 0.5, 1, 5, 15, 30, 60, 300, 900, 3600)

OTHER_LABEL: Final = "other"
"""The label of values without a name here, such as the event type of a newer version."""


class LazyGauge(Gauge):
    """A gauge without labels that is exported from its first value on: before that it has no meaning."""

    _has_value = False

    def set(self, value: float) -> None:
        """Set the value, as in Gauge."""
        self._has_value = True
        super().set(value)

    def set_function(self, f: Callable[[], float]) -> None:
        """Set the function of the value, as in Gauge."""
        self._has_value = True
        super().set_function(f)

    def collect(self) -> Iterable[Metric]:
        """Return nothing before the first value."""
        return super().collect() if self._has_value else ()


class LazyCounter(Counter):
    """A counter without labels that is exported from its first count on, which may be `inc(0)`."""

    _has_value = False

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        """Count, as in Counter."""
        self._has_value = True
        super().inc(amount, exemplar)

    def collect(self) -> Iterable[Metric]:
        """Return nothing before the first count."""
        return super().collect() if self._has_value else ()


class LazyHistogram(Histogram):
    """A histogram without labels that is exported from `export` on."""

    _is_exported = False

    def export(self) -> None:
        """Export it from now on, before its first value: Prometheus sees no increase in a new series."""
        self._is_exported = True

    def collect(self) -> Iterable[Metric]:
        """Return nothing before `export`."""
        return super().collect() if self._is_exported else ()


grpc_server_in_flight = LazyGauge("grpc_server_in_flight", "Calls that are being answered now.")
grpc_server_admission_limit = LazyGauge(
    "grpc_server_admission_limit", "Calls that may be in flight; falls when the event loop falls behind."
)
grpc_server_shed = Counter(
    "grpc_server_shed_total",
    "Calls refused so that others end in time: the process was full, or they had waited too long.",
    ("cause",),
)
grpc_client_handled = Counter(
    "grpc_client_handled_total", "Calls to peers.", ("grpc_service", "grpc_method", "grpc_code")
)
grpc_client_hedges = Counter(
    "grpc_client_hedges_total",
    "Hedges: calls repeated because the first was late; `won` when the repeat brought the answer.",
    ("grpc_service", "grpc_method", "outcome"),
)

cache_requests = Counter("cache_requests_total", "Reads through a cache.", ("layer", "outcome"))
cache_tracking = Gauge(
    "cache_tracking", "1 while invalidations of a Redis node arrive and local copies are kept.", ("node",)
)
breaker_state = Gauge("breaker_state", "0 closed, 1 half open, 2 open.", ("dependency",))
bulkhead_in_use = Gauge("bulkhead_in_use", "Calls to a dependency that are under way.", ("dependency",))
bulkhead_refused = Counter(
    "bulkhead_refused_total", "Calls that were not made because too many were under way.", ("dependency",)
)

repository_updates = Counter(
    "repository_updates_total",
    "Attempts to change a stored aggregate: stored, unchanged, or lost to another change.",
    ("collection", "outcome"),
)

slot_map_version = LazyGauge("slot_map_version", "Version of the slot map that this process uses.")
slot_map_lease_seconds = Gauge(
    "slot_map_lease_seconds",
    "Seconds for which this process may still write to a shard without confirming its slots.",
    ("shard",),
)

outbox_rows = Gauge("outbox_rows", "Events that wait to be sent.", ("shard",))
outbox_lag_seconds = Gauge("outbox_lag_seconds", "Age of the oldest event that waits to be sent.", ("shard",))
outbox_published = Counter("outbox_published_total", "Events that the broker has confirmed.", ("shard",))
outbox_failures = Counter(
    "outbox_publish_failures_total", "Batches that the broker did not confirm.", ("shard",)
)

events_handled = Counter("events_handled_total", "Events taken from a queue.", ("queue", "type", "outcome"))
events_handling_seconds = Histogram(
    "events_handling_seconds", "Time of a handler.", ("queue", "type"), buckets=_HANDLER_SECONDS
)
events_in_flight = Gauge("events_in_flight", "Events that are being handled now.", ("queue",))
queue_messages = Gauge(
    "queue_messages", "Messages that wait in a queue, each of one event or several.", ("queue",)
)
events_age_seconds = Histogram(
    "events_age_seconds",
    "From the change that an event tells of to the end of its handling.",
    ("queue",),
    buckets=_EVENT_AGE_SECONDS,
)
broker_connected = LazyGauge("broker_connected", "1 while the consumers' connection to the broker is up.")

readiness_check_up = Gauge(
    "readiness_check_up",
    "1 while a dependency answers the check of `/ready`, which each scrape makes, too.",
    ("dependency",),
)

periodic_runs = Counter("periodic_runs_total", "Runs of periodic tasks.", ("name", "outcome"))
