"""Metrics of this service besides those of every service."""

from typing import Final

from prometheus_client import Gauge

erasure_oldest_age_seconds: Final = Gauge(
    "erasure_oldest_age_seconds",
    "Seconds since the end of its time of grace of the oldest account whose erasure is not over; 0: none.",
)
