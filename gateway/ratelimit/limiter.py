"""The use case: finds the rule of each descriptor of a request, and decides by its counter."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from chassis.redis.nodes import StoreUnavailableError
from gateway.ratelimit import metrics
from gateway.ratelimit.counter_store import CounterHit, CounterResult, CounterStore
from gateway.ratelimit.keys import counter_key
from gateway.ratelimit.local_cache import CachedRefusal, LocalRefusalCache
from gateway.ratelimit.rules import (
    DEFAULT_POLICY,
    DescriptorEntry,
    RateLimit,
    RateLimitRule,
    RateLimitRuleSet,
    drop_replaced_rules,
)
from gateway.ratelimit.sliding_window import MICROSECONDS_PER_SECOND

NEAR_LIMIT_RATIO: Final = 0.8
"""The share of a limit from which hits count as near it."""


@dataclass(frozen=True, slots=True)
class RequestDescriptor:
    """One descriptor of a request; `limit` overrides the configured one."""

    entries: tuple[DescriptorEntry, ...]
    hits: int = 1
    limit: RateLimit | None = None


@dataclass(frozen=True, slots=True)
class LimitDecision:
    """Whether a descriptor keeps to its limit; times in seconds.

    `limit` is None when nothing limits it: no rule, an unlimited one, or counters that did not answer.
    """

    limit: RateLimit | None = None
    policy: str = DEFAULT_POLICY
    name: str = ""
    is_over_limit: bool = False
    is_shadow: bool = False
    remaining: int = 0
    reset_s: float = 0.0
    retry_s: float = 0.0

    @property
    def is_refused(self) -> bool:
        """Whether the request is rejected."""
        return self.is_over_limit and not self.is_shadow


UNLIMITED_DECISION: Final = LimitDecision()


@dataclass(frozen=True, slots=True)
class _AppliedRule:
    """A rule with the hits that it counts for one descriptor."""

    rule: RateLimitRule
    limit: RateLimit
    hit: CounterHit
    rule_metrics: metrics.RuleMetrics


class RateLimiter:
    """Decides by the active rules, the counters, and the cached refusals.

    `timeout_s` bounds the whole wait for a counter, including that for earlier batches.
    """

    def __init__(
        self,
        rules: Callable[[], RateLimitRuleSet],
        counters: CounterStore,
        refusals: LocalRefusalCache,
        *,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._counters = counters
        self._refusals = refusals
        self._timeout_s = timeout_s
        self._clock = clock
        self._metrics = metrics.RuleMetricsRegistry()

    async def decide(
        self, domain: str, descriptors: Sequence[RequestDescriptor], timeout_s: float | None = None
    ) -> list[LimitDecision]:
        """Decide on each descriptor; each is counted, independent of the other decisions.

        A descriptor whose counter does not answer in time, or within `timeout_s`, passes uncounted.
        """
        rules = self._rules()
        applying = drop_replaced_rules([_effective_rule(rules, domain, each) for each in descriptors])
        pairs = zip(applying, descriptors, strict=True)
        found = [self._apply_rule(rule, domain, descriptor) for rule, descriptor in pairs]
        if len(found) == 1:
            return [await self._decide_one(found[0], timeout_s)]
        return await asyncio.gather(*(self._decide_one(each, timeout_s) for each in found))

    def _apply_rule(
        self,
        rule: RateLimitRule | None,
        domain: str,
        descriptor: RequestDescriptor,
    ) -> _AppliedRule | None:
        if rule is None or rule.limit is None:
            return None
        limit, entries = rule.limit, descriptor.entries
        key = counter_key(domain, entries, limit.window_s)
        hit = CounterHit(key, descriptor.hits, limit.requests, limit.window_s * MICROSECONDS_PER_SECOND)
        detail = _detailed_metric_key(domain, entries) if rule.has_detailed_metric else ""
        return _AppliedRule(rule, limit, hit, self._metrics.for_rule(rule.key, detail))

    async def _decide_one(self, applied: _AppliedRule | None, timeout_s: float | None) -> LimitDecision:
        if applied is None:
            return UNLIMITED_DECISION
        applied.rule_metrics.hits.inc(applied.hit.hits)
        if refusal := self._refusals.find(applied.hit):
            applied.rule_metrics.local_cache_hits.inc(applied.hit.hits)
            return self._over_limit_decision(applied, refusal)
        asked_at = self._clock()
        count = await self._count(applied.hit, timeout_s)
        if count is None:
            return UNLIMITED_DECISION
        if count.admitted:
            return _within_limit_decision(applied, count)
        refusal = _refusal_of(applied.hit, count, asked_at)
        self._refusals.put(applied.hit, refusal)
        return self._over_limit_decision(applied, refusal)

    async def _count(self, hit: CounterHit, timeout_s: float | None) -> CounterResult | None:
        wait_limit_s = self._timeout_s if timeout_s is None else min(timeout_s, self._timeout_s)
        try:
            async with asyncio.timeout(wait_limit_s):
                return await self._counters.count(hit)
        except StoreUnavailableError as error:
            cause: str = error.cause
        except TimeoutError:
            cause = "slow" if wait_limit_s == self._timeout_s else "deadline"
        metrics.bypassed.labels(cause).inc()
        return None

    def _over_limit_decision(self, applied: _AppliedRule, refusal: CachedRefusal) -> LimitDecision:
        applied.rule_metrics.over_limit.inc(applied.hit.hits)
        if applied.rule.is_shadow:
            applied.rule_metrics.shadow_mode.inc(applied.hit.hits)
        wait_s = max(0.0, refusal.until_s - self._clock())
        rule = applied.rule
        return LimitDecision(
            applied.limit, rule.policy, rule.name, True, rule.is_shadow, refusal.remaining, wait_s, wait_s
        )


def _effective_rule(
    rules: RateLimitRuleSet, domain: str, descriptor: RequestDescriptor
) -> RateLimitRule | None:
    """Return the configured rule, with the request's own limit if it has one."""
    rule = rules.find_rule(domain, descriptor.entries)
    if descriptor.limit is None or domain not in rules.domains:
        return rule
    place = rule.key if rule is not None else domain
    policy = rule.policy if rule is not None else DEFAULT_POLICY
    return RateLimitRule(f"{place}.override", descriptor.limit, policy)


def _detailed_metric_key(domain: str, entries: Sequence[DescriptorEntry]) -> str:
    """Return the key of the rule with the values of the descriptor."""
    return ".".join([domain, *(f"{key}_{value}" if value else key for key, value in entries)])


def _within_limit_decision(applied: _AppliedRule, count: CounterResult) -> LimitDecision:
    hit, usage = applied.hit, count.usage
    remaining = usage.remaining(hit.limit, count.now_us, hit.window_us)
    applied.rule_metrics.within_limit.inc(hit.hits)
    if hit.limit - remaining >= NEAR_LIMIT_RATIO * hit.limit:
        applied.rule_metrics.near_limit.inc(hit.hits)
    reset_s = usage.reset_us(count.now_us, hit.window_us) / MICROSECONDS_PER_SECOND
    rule = applied.rule
    return LimitDecision(applied.limit, rule.policy, rule.name, False, rule.is_shadow, remaining, reset_s)


def _refusal_of(hit: CounterHit, count: CounterResult, asked_at_s: float) -> CachedRefusal:
    wait_us = count.usage.retry_us(hit.hits, hit.limit, count.now_us, hit.window_us)
    remaining = count.usage.remaining(hit.limit, count.now_us, hit.window_us)
    return CachedRefusal(max(hit.hits, 1), remaining, asked_at_s + wait_us / MICROSECONDS_PER_SECOND)
