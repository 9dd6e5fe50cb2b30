"""Verdicts: what is counted, refused, remembered, and let through when nobody can count."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from gateway.ratelimit.config import load
from gateway.ratelimit.limiter import UNLIMITED, Descriptor, Limiter, Verdict
from gateway.ratelimit.remembered import Refusals
from gateway.ratelimit.rules import Limit, Rules, Unit
from tests.fakes.rate_limit_counters import MemoryCounters
from tests.unit.ratelimit.clock import Hands
from tests.virtual_time import in_virtual_time
from tests.waiting import GENEROUS_S

TEXT = """
domain: d
descriptors:
  - {key: user, rate_limit: {unit: minute, requests_per_unit: 3, name: usual}}
  - {key: address, rate_limit: {unit: hour, requests_per_unit: 10}}
  - {key: trial, shadow_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}
  - {key: staff, rate_limit: {unlimited: true, replaces: [{name: usual}]}}
  - {key: path, detailed_metric: true, rate_limit: {unit: minute, requests_per_unit: 5}}
"""


class House:
    """A limiter whose rules, time and counters the test holds."""

    def __init__(self) -> None:
        self.clock = Hands()
        self.counters = MemoryCounters(self.clock.now_us)
        self.rules = rules_of(TEXT)
        self.limiter = Limiter(
            lambda: self.rules,
            self.counters,
            Refusals(100, self.clock),
            answer_within_s=GENEROUS_S,
            clock=self.clock,
        )

    async def decide(self, *descriptors: Descriptor, within_s: float | None = None) -> list[Verdict]:
        return await self.limiter.decide("d", descriptors, within_s)

    async def over(self, *descriptors: Descriptor) -> list[bool]:
        return [verdict.refused for verdict in await self.decide(*descriptors)]


def rules_of(text: str) -> Rules:
    return load({"limits.yaml": text.encode()})


def by(key: str, value: str = "1", hits: int = 1, limit: Limit | None = None) -> Descriptor:
    return Descriptor(((key, value),), hits, limit)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def counted() -> Callable[..., float]:
    """How much a metric grew since the first look at it in this test."""
    before: dict[str, float] = {}

    def grown(name: str, **labels: str) -> float:
        value = REGISTRY.get_sample_value(name, labels) or 0.0
        return value - before.setdefault(f"{name}{labels}", value)

    return grown


async def test_a_user_gets_the_limit_and_not_one_more(house: House) -> None:
    verdicts = [(await house.decide(by("user")))[0] for _ in range(4)]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]
    assert [verdict.refused for verdict in verdicts] == [False, False, False, True]
    assert verdicts[0].limit == Limit(3, Unit.MINUTE)
    assert verdicts[3].retry_s == verdicts[3].reset_s == 60.0


async def test_each_value_is_counted_by_itself(house: House) -> None:
    for _ in range(3):
        await house.decide(by("user", "1"))
    assert await house.over(by("user", "1"), by("user", "2")) == [True, False]


async def test_all_descriptors_are_counted_though_one_is_refused(house: House) -> None:
    for _ in range(4):
        verdicts = await house.decide(by("user"), by("address"))
    assert [verdict.refused for verdict in verdicts] == [True, False]
    assert verdicts[1].remaining == 6


async def test_what_no_rule_knows_passes_uncounted(house: House) -> None:
    assert await house.decide(by("unknown"), by("staff")) == [UNLIMITED, UNLIMITED]
    assert await house.limiter.decide("other", [by("user")]) == [UNLIMITED]
    assert not house.counters.asked


async def test_a_replaced_limit_is_not_even_counted(house: House) -> None:
    assert await house.decide(by("user"), by("staff")) == [UNLIMITED, UNLIMITED]
    assert not house.counters.asked


async def test_a_refusal_is_remembered_until_the_next_hit_can_pass(house: House) -> None:
    for _ in range(4):
        await house.decide(by("user"))
    asked = len(house.counters.asked)
    house.clock.s += 59.9
    (verdict,) = await house.decide(by("user"))
    assert (verdict.refused, round(verdict.retry_s, 3)) == (True, 0.1)
    assert len(house.counters.asked) == asked

    house.clock.s += 0.1
    assert await house.over(by("user")) == [False]
    assert len(house.counters.asked) == asked + 1


async def test_a_higher_limit_holds_at_once_whatever_is_remembered(house: House) -> None:
    for _ in range(4):
        await house.decide(by("user"))
    house.rules = rules_of(TEXT.replace("requests_per_unit: 3", "requests_per_unit: 4"))
    assert await house.over(by("user")) == [False]
    assert await house.over(by("user")) == [True]


async def test_a_peek_counts_nothing_and_tells_whether_a_hit_would_pass(house: House) -> None:
    for expected in (3, 3):
        assert (await house.decide(by("user", hits=0)))[0].remaining == expected
    await house.decide(by("user", hits=3))
    assert await house.over(by("user", hits=0)) == [True]


async def test_hits_count_as_many(house: House) -> None:
    assert await house.over(by("user", hits=2)) == [False]
    assert await house.over(by("user", hits=2)) == [True]
    assert await house.over(by("user", hits=1)) == [False]


async def test_a_request_may_bring_its_own_limit(house: House) -> None:
    own = by("user", "7", limit=Limit(1, Unit.HOUR))
    assert await house.over(own) == [False]
    assert await house.over(own) == [True]
    assert (await house.decide(by("user", "7")))[0].remaining == 2
    assert await house.limiter.decide("other", [own]) == [UNLIMITED]


async def test_a_limit_in_shadow_mode_refuses_nothing_and_is_counted(
    house: House, counted: Callable[..., float]
) -> None:
    counted("ratelimit_shadow_mode_total", rule="d.trial")
    verdicts = [(await house.decide(by("trial")))[0] for _ in range(3)]
    assert [verdict.over for verdict in verdicts] == [False, True, True]
    assert not any(verdict.refused for verdict in verdicts)
    assert counted("ratelimit_shadow_mode_total", rule="d.trial") == 2


async def test_each_rule_counts_its_hits_by_outcome(house: House, counted: Callable[..., float]) -> None:
    names = [f"ratelimit_{each}_total" for each in ("hits", "within_limit", "near_limit", "over_limit")]
    names.append("ratelimit_remembered_total")
    for name in names:
        counted(name, rule="d.address")
    for _ in range(12):
        await house.decide(by("address"))
    assert [counted(name, rule="d.address") for name in names] == [12, 10, 3, 2, 1]


async def test_a_detailed_metric_tells_values_apart_up_to_a_bound(
    house: House, counted: Callable[..., float]
) -> None:
    for rule in ("d.path_/a", "d.path"):
        counted("ratelimit_hits_total", rule=rule)
    await house.decide(by("path", "/a"))
    for number in range(1_100):
        await house.decide(by("path", f"/{number}"))
    assert counted("ratelimit_hits_total", rule="d.path_/a") == 1
    assert counted("ratelimit_hits_total", rule="d.path") == 101


@pytest.mark.parametrize("cause", ["open", "slow", "deadline"])
@in_virtual_time
async def test_without_an_answer_in_time_requests_pass_and_that_is_counted(
    house: House, counted: Callable[..., float], cause: str
) -> None:
    counted("ratelimit_bypassed_total", cause=cause)
    house.counters.is_down = cause == "open"
    house.counters.is_slow = cause != "open"
    verdicts = await house.decide(by("user"), by("address"), within_s=0.01 if cause == "deadline" else None)
    assert verdicts == [UNLIMITED, UNLIMITED]
    assert counted("ratelimit_bypassed_total", cause=cause) == 2


async def test_a_flood_on_one_key_admits_the_limit_and_soon_asks_nobody(house: House) -> None:
    verdicts = [await asyncio.gather(*(house.decide(by("user")) for _ in range(50))) for _ in range(10)]
    assert sum(not each[0].refused for batch in verdicts for each in batch) == 3
    assert len(house.counters.asked) <= 50
