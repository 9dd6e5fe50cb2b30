"""Decisions: which requests are counted, refused, cached, and let through when nobody can count."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from gateway.ratelimit.config import parse_rules
from gateway.ratelimit.limiter import UNLIMITED_DECISION, LimitDecision, RateLimiter, RequestDescriptor
from gateway.ratelimit.local_cache import LocalRefusalCache
from gateway.ratelimit.rules import RateLimit, RateLimitRuleSet, TimeUnit
from tests.fakes.counter_store import InMemoryCounterStore
from tests.unit.gateway.ratelimit.manual_clock import ManualClock
from tests.virtual_time import in_virtual_time
from tests.waiting import WAIT_TIMEOUT_S

TEXT = """
domain: d
descriptors:
  - {key: user, rate_limit: {unit: minute, requests_per_unit: 3, name: usual}}
  - {key: address, rate_limit: {unit: hour, requests_per_unit: 10}}
  - {key: trial, shadow_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}
  - {key: staff, rate_limit: {unlimited: true, replaces: [{name: usual}]}}
  - {key: path, detailed_metric: true, rate_limit: {unit: minute, requests_per_unit: 5}}
"""


class RateLimiterHarness:
    """A limiter whose rules, time and counters the test holds."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.counters = InMemoryCounterStore(self.clock.now_us)
        self.rules = rules_of(TEXT)
        self.limiter = RateLimiter(
            lambda: self.rules,
            self.counters,
            LocalRefusalCache(100, self.clock),
            timeout_s=WAIT_TIMEOUT_S,
            clock=self.clock,
        )

    async def decide(
        self, *descriptors: RequestDescriptor, timeout_s: float | None = None
    ) -> list[LimitDecision]:
        return await self.limiter.decide("d", descriptors, timeout_s)

    async def is_over_limit(self, *descriptors: RequestDescriptor) -> list[bool]:
        return [verdict.is_refused for verdict in await self.decide(*descriptors)]


def rules_of(text: str) -> RateLimitRuleSet:
    return parse_rules({"limits.yaml": text.encode()})


def build_descriptor(
    key: str, value: str = "1", hits: int = 1, limit: RateLimit | None = None
) -> RequestDescriptor:
    return RequestDescriptor(((key, value),), hits, limit)


@pytest.fixture
def house() -> RateLimiterHarness:
    return RateLimiterHarness()


@pytest.fixture
def counted() -> Callable[..., float]:
    """Return a function for a metric's growth since its first reading in this test."""
    before: dict[str, float] = {}

    def grown(name: str, **labels: str) -> float:
        value = REGISTRY.get_sample_value(name, labels) or 0.0
        return value - before.setdefault(f"{name}{labels}", value)

    return grown


async def test_a_user_gets_the_limit_and_not_one_more(house: RateLimiterHarness) -> None:
    verdicts = [(await house.decide(build_descriptor("user")))[0] for _ in range(4)]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]
    assert [verdict.is_refused for verdict in verdicts] == [False, False, False, True]
    assert verdicts[0].limit == RateLimit(3, TimeUnit.MINUTE)
    assert verdicts[3].retry_s == verdicts[3].reset_s == 60.0


async def test_each_value_is_counted_by_itself(house: RateLimiterHarness) -> None:
    for _ in range(3):
        await house.decide(build_descriptor("user", "1"))
    assert await house.is_over_limit(build_descriptor("user", "1"), build_descriptor("user", "2")) == [
        True,
        False,
    ]


async def test_all_descriptors_are_counted_though_one_is_refused(house: RateLimiterHarness) -> None:
    for _ in range(4):
        verdicts = await house.decide(build_descriptor("user"), build_descriptor("address"))
    assert [verdict.is_refused for verdict in verdicts] == [True, False]
    assert verdicts[1].remaining == 6


async def test_what_no_rule_knows_passes_uncounted(house: RateLimiterHarness) -> None:
    assert await house.decide(build_descriptor("unknown"), build_descriptor("staff")) == [
        UNLIMITED_DECISION,
        UNLIMITED_DECISION,
    ]
    assert await house.limiter.decide("other", [build_descriptor("user")]) == [UNLIMITED_DECISION]
    assert not house.counters.asked


async def test_a_replaced_limit_is_not_even_counted(house: RateLimiterHarness) -> None:
    assert await house.decide(build_descriptor("user"), build_descriptor("staff")) == [
        UNLIMITED_DECISION,
        UNLIMITED_DECISION,
    ]
    assert not house.counters.asked


async def test_a_refusal_is_remembered_until_the_next_hit_can_pass(house: RateLimiterHarness) -> None:
    for _ in range(4):
        await house.decide(build_descriptor("user"))
    asked = len(house.counters.asked)
    house.clock.s += 59.9
    (verdict,) = await house.decide(build_descriptor("user"))
    assert (verdict.is_refused, round(verdict.retry_s, 3)) == (True, 0.1)
    assert len(house.counters.asked) == asked

    house.clock.s += 0.1
    assert await house.is_over_limit(build_descriptor("user")) == [False]
    assert len(house.counters.asked) == asked + 1


async def test_a_higher_limit_holds_at_once_whatever_is_remembered(house: RateLimiterHarness) -> None:
    for _ in range(4):
        await house.decide(build_descriptor("user"))
    house.rules = rules_of(TEXT.replace("requests_per_unit: 3", "requests_per_unit: 4"))
    assert await house.is_over_limit(build_descriptor("user")) == [False]
    assert await house.is_over_limit(build_descriptor("user")) == [True]


async def test_a_peek_counts_nothing_and_shows_whether_a_hit_would_pass(house: RateLimiterHarness) -> None:
    for expected in (3, 3):
        assert (await house.decide(build_descriptor("user", hits=0)))[0].remaining == expected
    await house.decide(build_descriptor("user", hits=3))
    assert await house.is_over_limit(build_descriptor("user", hits=0)) == [True]


async def test_hits_count_as_many(house: RateLimiterHarness) -> None:
    assert await house.is_over_limit(build_descriptor("user", hits=2)) == [False]
    assert await house.is_over_limit(build_descriptor("user", hits=2)) == [True]
    assert await house.is_over_limit(build_descriptor("user", hits=1)) == [False]


async def test_a_request_may_bring_its_own_limit(house: RateLimiterHarness) -> None:
    own = build_descriptor("user", "7", limit=RateLimit(1, TimeUnit.HOUR))
    assert await house.is_over_limit(own) == [False]
    assert await house.is_over_limit(own) == [True]
    assert (await house.decide(build_descriptor("user", "7")))[0].remaining == 2
    assert await house.limiter.decide("other", [own]) == [UNLIMITED_DECISION]


async def test_a_limit_in_shadow_mode_refuses_nothing_and_is_counted(
    house: RateLimiterHarness, counted: Callable[..., float]
) -> None:
    counted("ratelimit_shadow_mode_total", rule="d.trial")
    verdicts = [(await house.decide(build_descriptor("trial")))[0] for _ in range(3)]
    assert [verdict.is_over_limit for verdict in verdicts] == [False, True, True]
    assert not any(verdict.is_refused for verdict in verdicts)
    assert counted("ratelimit_shadow_mode_total", rule="d.trial") == 2


async def test_each_rule_counts_its_hits_by_outcome(
    house: RateLimiterHarness, counted: Callable[..., float]
) -> None:
    names = [f"ratelimit_{each}_total" for each in ("hits", "within_limit", "near_limit", "over_limit")]
    names.append("ratelimit_remembered_total")
    for name in names:
        counted(name, rule="d.address")
    for _ in range(12):
        await house.decide(build_descriptor("address"))
    assert [counted(name, rule="d.address") for name in names] == [12, 10, 3, 2, 1]


async def test_a_detailed_metric_distinguishes_values_up_to_a_bound(
    house: RateLimiterHarness, counted: Callable[..., float]
) -> None:
    for rule in ("d.path_/a", "d.path"):
        counted("ratelimit_hits_total", rule=rule)
    await house.decide(build_descriptor("path", "/a"))
    for number in range(1_100):
        await house.decide(build_descriptor("path", f"/{number}"))
    assert counted("ratelimit_hits_total", rule="d.path_/a") == 1
    assert counted("ratelimit_hits_total", rule="d.path") == 101


@pytest.mark.parametrize("cause", ["open", "slow", "deadline"])
@in_virtual_time
async def test_without_an_answer_in_time_requests_pass_and_that_is_counted(
    house: RateLimiterHarness, counted: Callable[..., float], cause: str
) -> None:
    counted("ratelimit_bypassed_total", cause=cause)
    house.counters.is_down = cause == "open"
    house.counters.is_slow = cause != "open"
    verdicts = await house.decide(
        build_descriptor("user"), build_descriptor("address"), timeout_s=0.01 if cause == "deadline" else None
    )
    assert verdicts == [UNLIMITED_DECISION, UNLIMITED_DECISION]
    assert counted("ratelimit_bypassed_total", cause=cause) == 2


async def test_a_flood_on_one_key_admits_the_limit_and_soon_asks_nobody(house: RateLimiterHarness) -> None:
    verdicts = [
        await asyncio.gather(*(house.decide(build_descriptor("user")) for _ in range(50))) for _ in range(10)
    ]
    assert sum(not each[0].is_refused for batch in verdicts for each in batch) == 3
    assert len(house.counters.asked) <= 50
