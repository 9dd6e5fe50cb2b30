"""The figures of quotas at the edge."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class QuotaPolicy:
    """How the edge counts by itself. Each worker keeps its own buckets, for the edge and behind its cache.

    On credit a bucket admits the share of its limit that falls to `report_interval_s`; unused hits of a lease
    are given back after `lease_s`. While the limiter is silent, a bucket admits `silent_share` of its limit
    in each window, or `silent_requests` in `memory_s` when its limit is unknown.
    """

    report_interval_s: float = 1.0
    lease_s: float = 2.0
    ask_timeout_s: float = 0.1
    report_timeout_s: float = 1.0
    silence_s: float = 2.0
    memory_s: float = 60.0
    max_buckets: int = 20_000
    max_reported_buckets: int = 500
    silent_share: float = 0.5
    silent_requests: int = 50


DEFAULT_QUOTA_POLICY: Final = QuotaPolicy()
