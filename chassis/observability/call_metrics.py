"""The metrics of answered calls: plain numbers that a collector reads, as each call pays for them.

A scrape may read one call in its counter and not yet in its histogram.
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from chassis.observability.plain_histogram import PlainHistogram

CALL_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The upper bounds of the histogram's buckets, in seconds."""

_COUNTED_FROM_START: Final = ("OK", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")
"""Exported as 0 before the first one: Prometheus sees no increase in a series that begins with 1."""


class RpcCallMetrics(PlainHistogram):
    """The calls of one RPC, by the name of their status, and their durations."""

    __slots__ = ("count_by_code", "method", "service")

    def __init__(self, service: str, method: str) -> None:
        super().__init__(CALL_BUCKETS_S)
        self.service = service
        self.method = method
        self.count_by_code: dict[str, int] = dict.fromkeys(_COUNTED_FROM_START, 0)

    def record(self, code: str, duration_s: float) -> None:
        """Count an answered call."""
        self.count_by_code[code] = self.count_by_code.get(code, 0) + 1
        self.add(duration_s)


class CallMetricsCollector(Collector):
    """Exports `grpc_server_handled_total` and `grpc_server_handling_seconds`."""

    def __init__(self) -> None:
        self._rpcs: dict[tuple[str, str], RpcCallMetrics] = {}

    def metrics_of(self, service: str, method: str) -> RpcCallMetrics:
        """Return the one object for an RPC."""
        key = (service, method)
        if key not in self._rpcs:
            self._rpcs[key] = RpcCallMetrics(service, method)
        return self._rpcs[key]

    def collect(self) -> Iterable[Metric]:
        """Return both families as they are now."""
        handled = CounterMetricFamily(
            "grpc_server_handled", "Answered calls.", labels=("grpc_service", "grpc_method", "grpc_code")
        )
        seconds = HistogramMetricFamily(
            "grpc_server_handling_seconds",
            "From the arrival of a call to its answer.",
            labels=("grpc_service", "grpc_method"),
        )
        for rpc in list(self._rpcs.values()):
            for code, count in list(rpc.count_by_code.items()):
                handled.add_metric((rpc.service, rpc.method, code), count)
            seconds.add_metric((rpc.service, rpc.method), rpc.samples(), rpc.sum_s)
        return handled, seconds


CALL_METRICS: Final = CallMetricsCollector()
REGISTRY.register(CALL_METRICS)
