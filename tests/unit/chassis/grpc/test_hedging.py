"""Second calls for late ones."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from chassis.errors import DomainError, not_found, overloaded, unavailable
from chassis.grpc.hedging import HedgedCall, HedgingPolicy, LatencyWindow
from tests.virtual_time import in_virtual_time

Send = Callable[[], Awaitable[str]]
LONG_S = 30.0
POLICY = HedgingPolicy()


class ScriptedPeer:
    """Answers its calls as the test says, one after the other; afterwards at once."""

    def __init__(self, *behaviours: Send) -> None:
        self.calls = 0
        self.ended_early = 0
        self._behaviours = list(behaviours)

    async def ask(self) -> str:
        self.calls += 1
        behaviour = self._behaviours.pop(0) if self._behaviours else quickly
        try:
            return await behaviour()
        except asyncio.CancelledError:
            self.ended_early += 1
            raise


async def quickly() -> str:
    return "quick"


async def late() -> str:
    await asyncio.sleep(20 * POLICY.min_delay_s)
    return "late"


async def never() -> str:
    await asyncio.sleep(LONG_S)
    return "never"


async def refused() -> str:
    raise not_found("INTERNSHIP_NOT_FOUND", "internship", "int_1")


async def down() -> str:
    raise unavailable("The peer")


async def busy() -> str:
    raise overloaded("The peer")


async def hedge(*told: list[bool], allowed: bool = True) -> HedgedCall:
    """Return a hedged call with fast latencies recorded."""
    known = HedgedCall(lambda: allowed, told[0].append if told else lambda _: None)
    peer = ScriptedPeer()
    for _ in range(POLICY.min_samples):
        await known.run(peer.ask, soon())
    return known


def soon() -> float:
    return time.monotonic() + LONG_S


@in_virtual_time
async def test_a_call_that_hangs_is_asked_once_more_and_given_up_when_the_second_answers() -> None:
    told: list[bool] = []
    peer = ScriptedPeer(never)
    assert await (await hedge(told)).run(peer.ask, soon()) == "quick"
    assert (peer.calls, peer.ended_early, told) == (2, 1, [True])


@in_virtual_time
async def test_the_first_answer_counts_also_when_it_comes_after_the_second_call_was_sent() -> None:
    told: list[bool] = []
    peer = ScriptedPeer(late, never)
    assert await (await hedge(told)).run(peer.ask, soon()) == "late"
    assert (peer.calls, peer.ended_early, told) == (2, 1, [False])


@in_virtual_time
async def test_a_call_in_time_is_sent_once() -> None:
    peer = ScriptedPeer()
    assert await (await hedge()).run(peer.ask, soon()) == "quick"
    assert peer.calls == 1


@in_virtual_time
async def test_while_little_is_known_of_a_kind_of_call_it_is_sent_once() -> None:
    peer = ScriptedPeer(late)
    assert await HedgedCall(lambda: True, lambda _: None).run(peer.ask, soon()) == "late"
    assert peer.calls == 1


@in_virtual_time
async def test_without_budget_or_time_there_is_no_second_call() -> None:
    peer = ScriptedPeer(late, late)
    assert await (await hedge(allowed=False)).run(peer.ask, soon()) == "late"
    assert await (await hedge()).run(peer.ask, time.monotonic() + POLICY.min_delay_s) == "late"
    assert peer.calls == 2


@in_virtual_time
async def test_a_refusal_is_an_answer() -> None:
    with pytest.raises(DomainError, match="INTERNSHIP_NOT_FOUND"):
        await (await hedge()).run(ScriptedPeer(never, refused).ask, soon())


@in_virtual_time
async def test_when_one_of_the_two_finds_the_peer_down_the_other_is_waited_for() -> None:
    assert await (await hedge()).run(ScriptedPeer(late, down).ask, soon()) == "late"


@in_virtual_time
async def test_when_one_of_the_two_finds_the_peer_busy_the_other_is_waited_for() -> None:
    assert await (await hedge()).run(ScriptedPeer(late, busy).ask, soon()) == "late"


@in_virtual_time
async def test_when_both_find_the_peer_down_the_call_fails() -> None:
    async def late_and_down() -> str:
        await late()
        return await down()

    with pytest.raises(DomainError, match="UNAVAILABLE"):
        await (await hedge()).run(ScriptedPeer(late_and_down, down).ask, soon())


@in_virtual_time
async def test_a_caller_that_gives_up_cancels_both_calls() -> None:
    peer = ScriptedPeer(never, never)
    known = await hedge()
    caller = asyncio.ensure_future(known.run(peer.ask, soon()))
    while peer.calls < 2:
        await asyncio.sleep(POLICY.min_delay_s)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert peer.ended_early == 2


def test_what_is_late_follows_the_slowest_twentieth_of_the_last_calls() -> None:
    latencies = LatencyWindow()
    for _ in range(POLICY.min_samples - 1):
        latencies.record(0.5)
    assert latencies.late_after_s is None
    for milliseconds in range(1, 1 + 221):
        latencies.record(milliseconds / 1000)
    assert latencies.late_after_s == pytest.approx(0.21, abs=0.01)
