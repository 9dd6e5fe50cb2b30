"""The use case: what holds for each descriptor of a request, and whether it keeps to it."""

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
from gateway.ratelimit.searches import SearchFingerprint, find_search
from gateway.ratelimit.sliding_window import MICROSECONDS_PER_SECOND

NEAR_LIMIT_RATIO: Final = 0.8
"""From this share of a limit on, hits count as near it."""


@dataclass(frozen=True, slots=True)
class RequestDescriptor:
    """One thing to limit by; `limit` is the request's own, in the place of the configured one."""

    entries: tuple[DescriptorEntry, ...]
    hits: int = 1
    limit: RateLimit | None = None


@dataclass(frozen=True, slots=True)
class LimitDecision:
    """How a descriptor stands to its limit; times in seconds.

    Without a `limit` nothing limits it: no rule, an unlimited one, or counters that could not be asked.
    """

    limit: RateLimit | None = None
    policy: str = DEFAULT_POLICY
    name: str = ""
    over: bool = False
    shadow: bool = False
    remaining: int = 0
    reset_s: float = 0.0
    retry_s: float = 0.0

    @property
    def refused(self) -> bool:
        """Whether the request has to be refused."""
        return self.over and not self.shadow


UNLIMITED_DECISION: Final = LimitDecision()


@dataclass(frozen=True, slots=True)
class _AppliedRule:
    """A rule, and what it counts of one descriptor."""

    rule: RateLimitRule
    limit: RateLimit
    hit: CounterHit
    tally: metrics.RuleMetrics


class RateLimiter:
    """Decides by the rules in force, the counters, and the refusals that it remembers.

    `answer_within_s` bounds the whole wait for a counter, including that for others' batches.
    """

    def __init__(
        self,
        rules: Callable[[], RateLimitRuleSet],
        counters: CounterStore,
        refusals: LocalRefusalCache,
        *,
        answer_within_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._counters = counters
        self._refusals = refusals
        self._answer_within_s = answer_within_s
        self._clock = clock
        self._tally = metrics.RuleMetricsRegistry()

    async def decide(
        self, domain: str, descriptors: Sequence[RequestDescriptor], within_s: float | None = None
    ) -> list[LimitDecision]:
        """A verdict for each descriptor; each is counted, whatever the others' verdicts.

        A descriptor whose counter does not answer in time, or not within `within_s`, passes uncounted.
        """
        rules = self._rules()
        applying = drop_replaced_rules([_effective_rule(rules, domain, each) for each in descriptors])
        pairs = zip(applying, descriptors, strict=True)
        search = find_search([each.entries for each in descriptors])
        found = [self._applied(rule, domain, descriptor, search) for rule, descriptor in pairs]
        if len(found) == 1:
            return [await self._verdict(found[0], within_s)]
        return await asyncio.gather(*(self._verdict(each, within_s) for each in found))

    def _applied(
        self,
        rule: RateLimitRule | None,
        domain: str,
        descriptor: RequestDescriptor,
        search: SearchFingerprint | None,
    ) -> _AppliedRule | None:
        if rule is None or rule.limit is None:
            return None
        limit, entries = rule.limit, descriptor.entries
        key = counter_key(domain, entries, limit.window_s)
        hit = CounterHit(
            key, descriptor.hits, limit.requests, limit.window_s * MICROSECONDS_PER_SECOND, search
        )
        detail = _detailed_metric_key(domain, entries) if rule.detailed else ""
        return _AppliedRule(rule, limit, hit, self._tally.of(rule.key, detail))

    async def _verdict(self, applied: _AppliedRule | None, within_s: float | None) -> LimitDecision:
        if applied is None:
            return UNLIMITED_DECISION
        applied.tally.hits.inc(applied.hit.hits)
        if refusal := self._refusals.find(applied.hit):
            applied.tally.remembered.inc(applied.hit.hits)
            return self._over(applied, refusal)
        asked_at = self._clock()
        count = await self._count(applied.hit, within_s)
        if count is None:
            return UNLIMITED_DECISION
        if count.admitted:
            return _within_limit_decision(applied, count)
        refusal = _refusal_of(applied.hit, count, asked_at)
        self._refusals.keep(applied.hit, refusal)
        return self._over(applied, refusal)

    async def _count(self, hit: CounterHit, within_s: float | None) -> CounterResult | None:
        patience_s = self._answer_within_s if within_s is None else min(within_s, self._answer_within_s)
        try:
            async with asyncio.timeout(patience_s):
                return await self._counters.count(hit)
        except StoreUnavailableError as error:
            cause: str = error.cause
        except TimeoutError:
            cause = "slow" if patience_s == self._answer_within_s else "deadline"
        metrics.bypassed.labels(cause).inc()
        return None

    def _over(self, applied: _AppliedRule, refusal: CachedRefusal) -> LimitDecision:
        applied.tally.over_limit.inc(applied.hit.hits)
        if applied.rule.shadow:
            applied.tally.shadow_mode.inc(applied.hit.hits)
        wait_s = max(0.0, refusal.until_s - self._clock())
        rule = applied.rule
        return LimitDecision(
            applied.limit, rule.policy, rule.name, True, rule.shadow, refusal.remaining, wait_s, wait_s
        )


def _effective_rule(
    rules: RateLimitRuleSet, domain: str, descriptor: RequestDescriptor
) -> RateLimitRule | None:
    """The configured rule, with the request's own limit in the place of the configured one."""
    rule = rules.find(domain, descriptor.entries)
    if descriptor.limit is None or domain not in rules.domains:
        return rule
    place = rule.key if rule is not None else domain
    policy = rule.policy if rule is not None else DEFAULT_POLICY
    return RateLimitRule(f"{place}.override", descriptor.limit, policy)


def _detailed_metric_key(domain: str, entries: Sequence[DescriptorEntry]) -> str:
    """The place of the rule, with the values that were asked for in it."""
    return ".".join([domain, *(f"{key}_{value}" if value else key for key, value in entries)])


def _within_limit_decision(applied: _AppliedRule, count: CounterResult) -> LimitDecision:
    hit, usage = applied.hit, count.usage
    remaining = usage.remaining(hit.limit, count.now_us, hit.window_us)
    applied.tally.within_limit.inc(hit.hits)
    if hit.limit - remaining >= NEAR_LIMIT_RATIO * hit.limit:
        applied.tally.near_limit.inc(hit.hits)
    reset_s = usage.reset_us(count.now_us, hit.window_us) / MICROSECONDS_PER_SECOND
    rule = applied.rule
    return LimitDecision(applied.limit, rule.policy, rule.name, False, rule.shadow, remaining, reset_s)


def _refusal_of(hit: CounterHit, count: CounterResult, asked_at_s: float) -> CachedRefusal:
    wait_us = count.usage.retry_us(hit.hits, hit.limit, count.now_us, hit.window_us)
    remaining = count.usage.remaining(hit.limit, count.now_us, hit.window_us)
    return CachedRefusal(
        max(hit.hits, 1), remaining, asked_at_s + wait_us / MICROSECONDS_PER_SECOND, count.typing
    )
