"""The use case of quotas: charges what the edge's buckets report, and assigns what they may do until later.

A lease is counted before it is used, and what a bucket admitted on its own is counted when it reports. So all
gateways together never admit more than the limit, and for each of their workers what one admits on its own
until it reports: the share of the limit that falls to one reporting interval.
"""

import asyncio
from collections.abc import Callable, Sequence

from chassis.rate_limit_headers import quote_structured_string
from chassis.redis.nodes import StoreUnavailableError
from gateway.ratelimit import metrics
from gateway.ratelimit.counter_store import CounterStore, LeaseRequest, LeaseResult
from gateway.ratelimit.headers import FLOOD_LIMIT_NAME
from gateway.ratelimit.keys import counter_key
from gateway.ratelimit.limiter import NEAR_LIMIT_RATIO
from gateway.ratelimit.quota_messages import UNANNOUNCED, QuotaAssignment, QuotaReport, QuotaState
from gateway.ratelimit.rules import RateLimit, RateLimitRule, RateLimitRuleSet
from gateway.ratelimit.sliding_window import MICROSECONDS_PER_SECOND

UNLIMITED_ASSIGNMENT = QuotaAssignment(QuotaState.UNLIMITED)
UNAVAILABLE_ASSIGNMENT = QuotaAssignment(QuotaState.UNAVAILABLE)


class QuotaAssigner:
    """Answers reports by the active rules and the counters, which the exact limits share."""

    def __init__(
        self, rules: Callable[[], RateLimitRuleSet], counters: CounterStore, domain: str, *, timeout_s: float
    ) -> None:
        self._rules = rules
        self._counters = counters
        self._domain = domain
        self._timeout_s = timeout_s
        self._metrics = metrics.RuleMetricsRegistry()

    async def assign(self, reports: Sequence[QuotaReport | None]) -> list[QuotaAssignment]:
        """Return an assignment for each report; None is one that could not be read.

        That one, and one whose counter does not answer in time, is not limited until the next report.
        """
        metrics.quota_reports.inc()
        metrics.quota_buckets.inc(len(reports))
        rules = self._rules()
        return list(await asyncio.gather(*(self._assign_one(rules, each) for each in reports)))

    async def _assign_one(self, rules: RateLimitRuleSet, report: QuotaReport | None) -> QuotaAssignment:
        if report is None:
            return UNAVAILABLE_ASSIGNMENT
        rule = rules.find_rule(self._domain, report.entries)
        if rule is None or rule.limit is None:
            return UNLIMITED_ASSIGNMENT
        counted = self._metrics.for_rule(rule.key)
        counted.hits.inc(report.spent + report.denied)
        lease = await self._lease(_lease_request(self._domain, report, rule, rule.limit))
        if lease is None:
            return UNAVAILABLE_ASSIGNMENT
        if rule.is_shadow:
            return _shadow_assignment(report, rule.limit, lease, counted)
        assignment = _limited_assignment(rule, rule.limit, lease)
        _record_report(report, assignment, counted)
        counted.over_admitted.inc(_hits_beyond_limit(report.owed, rule.limit, lease))
        return assignment

    async def _lease(self, request: LeaseRequest) -> LeaseResult | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._counters.lease(request)
        except StoreUnavailableError as error:
            cause: str = error.cause
        except TimeoutError:
            cause = "slow"
        metrics.bypassed.labels(cause).inc()
        return None


def _lease_request(domain: str, report: QuotaReport, rule: RateLimitRule, limit: RateLimit) -> LeaseRequest:
    key = counter_key(domain, report.entries, limit.window_s)
    window_us = limit.window_s * MICROSECONDS_PER_SECOND
    if rule.is_shadow:
        return LeaseRequest(key, limit.requests, window_us, owed=report.spent)
    return LeaseRequest(
        key, limit.requests, window_us, report.owed, report.returned, report.run_us, report.wanted
    )


def _limited_assignment(rule: RateLimitRule, limit: RateLimit, lease: LeaseResult) -> QuotaAssignment:
    usage, now_us, window_us = lease.usage, lease.now_us, limit.window_s * MICROSECONDS_PER_SECOND
    remaining = usage.remaining(limit.requests, now_us, window_us)
    is_refused = not lease.granted and not remaining
    retry_us = usage.retry_us(1, limit.requests, now_us, window_us) if is_refused else 0
    return QuotaAssignment(
        QuotaState.LIMITED,
        lease.granted,
        remaining,
        limit.requests,
        limit.window_s,
        usage.reset_us(now_us, window_us) / MICROSECONDS_PER_SECOND,
        retry_us / MICROSECONDS_PER_SECOND,
        usage.current.first_us,
        UNANNOUNCED if rule.name == FLOOD_LIMIT_NAME else quote_structured_string(rule.policy),
    )


def _record_report(report: QuotaReport, assignment: QuotaAssignment, counted: metrics.RuleMetrics) -> None:
    counted.within_limit.inc(report.spent)
    counted.over_limit.inc(report.denied)
    counted.leased.inc(assignment.granted)
    counted.returned.inc(report.returned)
    if assignment.limit - assignment.remaining >= NEAR_LIMIT_RATIO * assignment.limit:
        counted.near_limit.inc(report.spent)


def _hits_beyond_limit(hits: int, limit: RateLimit, lease: LeaseResult) -> int:
    """Return how many of the hits that were just counted are beyond the limit."""
    used = lease.usage.estimate(lease.now_us, limit.window_s * MICROSECONDS_PER_SECOND)
    return min(hits, max(0, round(used) - limit.requests))


def _shadow_assignment(
    report: QuotaReport, limit: RateLimit, lease: LeaseResult, counted: metrics.RuleMetrics
) -> QuotaAssignment:
    """Return the assignment of a limit that refuses nothing, and count what it would have refused."""
    over = _hits_beyond_limit(report.spent, limit, lease)
    counted.within_limit.inc(report.spent - over)
    counted.over_limit.inc(over)
    counted.shadow_mode.inc(over)
    return UNLIMITED_ASSIGNMENT
