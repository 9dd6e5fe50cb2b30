"""Every metric of the service, in one table.

`rule` is the place of a rule in the configuration, so there are as many values as rules. A rule with
`detailed_metric` adds the values of requests, up to a bound.
"""

from typing import Final

from prometheus_client import Counter, Histogram

MAX_DETAILED_METRICS: Final = 1_000
MAX_DETAIL_CHARS: Final = 256

_RULE: Final = ("rule",)
_SECONDS: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)

hits = Counter("ratelimit_hits_total", "Hits that a rule applied to.", _RULE)
over_limit = Counter("ratelimit_over_limit_total", "Hits beyond the limit, in shadow mode too.", _RULE)
within_limit = Counter("ratelimit_within_limit_total", "Hits that kept to the limit.", _RULE)
near_limit = Counter("ratelimit_near_limit_total", "Of those, hits with which 80 % or more were used.", _RULE)
shadow_mode = Counter("ratelimit_shadow_mode_total", "Hits let through by shadow mode only.", _RULE)
local_cache_hits = Counter(
    "ratelimit_remembered_total", "Hits refused from the local cache, without Redis; also over limit.", _RULE
)
leased = Counter("ratelimit_leased_total", "Hits that the gateways were leased in advance.", _RULE)
returned = Counter("ratelimit_returned_total", "Leased hits that were given back unused.", _RULE)
over_admitted = Counter(
    "ratelimit_over_admitted_total", "Hits that gateways admitted by themselves beyond the limit.", _RULE
)
quota_reports = Counter("ratelimit_quota_reports_total", "Messages of the gateways about their buckets.")
quota_buckets = Counter("ratelimit_quota_buckets_total", "Buckets that these messages reported.")
bypassed = Counter("ratelimit_bypassed_total", "Descriptors let through uncounted, by cause.", ("cause",))
config_reloads = Counter("ratelimit_config_reloads_total", "New configurations found.", ("outcome",))
responses = Counter("ratelimit_answers_total", "Answered calls, by overall code or error.", ("code",))
quota_seconds = Histogram(
    "ratelimit_assign_quotas_seconds", "From a message's arrival to its answer.", buckets=_SECONDS
)
seconds = Histogram(
    "ratelimit_should_rate_limit_seconds", "From a call's arrival to its answer.", buckets=_SECONDS
)


class RuleMetrics:
    """The counters of one rule."""

    def __init__(self, rule: str) -> None:
        self.hits = hits.labels(rule)
        self.over_limit = over_limit.labels(rule)
        self.within_limit = within_limit.labels(rule)
        self.near_limit = near_limit.labels(rule)
        self.shadow_mode = shadow_mode.labels(rule)
        self.local_cache_hits = local_cache_hits.labels(rule)
        self.leased = leased.labels(rule)
        self.returned = returned.labels(rule)
        self.over_admitted = over_admitted.labels(rule)


class RuleMetricsRegistry:
    """The counters of all rules."""

    def __init__(self, max_details: int = MAX_DETAILED_METRICS) -> None:
        self._max_details = max_details
        self._details = 0
        self._counters: dict[tuple[str, str], RuleMetrics] = {}

    def for_rule(self, rule: str, detail: str = "") -> RuleMetrics:
        """Return the counters of a rule, or of its detail while there are fewer than `max_details`."""
        detail = detail[:MAX_DETAIL_CHARS]
        found = self._counters.get((rule, detail))
        if found is not None:
            return found
        if detail and self._details >= self._max_details:
            return self.for_rule(rule)
        self._details += bool(detail)
        made = self._counters[rule, detail] = RuleMetrics(detail or rule)
        return made
