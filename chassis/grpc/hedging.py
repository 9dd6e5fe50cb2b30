"""Hedged reads: a call slower than most of its kind is sent a second time, and the first answer counts.

After J. Dean and L. A. Barroso, The Tail at Scale (Communications of the ACM, 2013): the second request is
sent only after the 95th percentile of the latencies, which bounds its cost.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from chassis.errors import UNAVAILABLE_REASONS, DomainError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HedgingPolicy:
    """When a call counts as late.

    `min_samples` answers are needed before one does; below `min_delay_s` a second call costs more than the
    wait for the first.
    """

    latency_window_size: int = 200
    min_samples: int = 20
    samples_per_update: int = 20
    late_quantile: float = 0.95
    min_delay_s: float = 0.01


DEFAULT_HEDGING_POLICY: Final = HedgingPolicy()


class LatencyWindow:
    """The recent latencies of calls of one kind, in seconds."""

    def __init__(self, policy: HedgingPolicy = DEFAULT_HEDGING_POLICY) -> None:
        self._policy = policy
        self._taken: deque[float] = deque(maxlen=policy.latency_window_size)
        self._since_look = 0
        self._late_after_s: float | None = None

    @property
    def late_after_s(self) -> float | None:
        """The 95th percentile in seconds, after which a call is hedged; None while too few are known."""
        return self._late_after_s

    def record(self, seconds: float) -> None:
        """Record the latency of an answered call."""
        self._taken.append(seconds)
        self._since_look += 1
        policy = self._policy
        if self._since_look >= policy.samples_per_update and len(self._taken) >= policy.min_samples:
            self._since_look = 0
            in_order = sorted(self._taken)
            late_s = in_order[int(len(in_order) * policy.late_quantile)]
            self._late_after_s = max(policy.min_delay_s, late_s)


class HedgedCall:
    """Sends a second call of one kind when the first is late and `try_spend` allows it.

    `on_hedge` receives for each hedge whether the second call brought the answer.
    """

    def __init__(
        self,
        try_spend: Callable[[], bool],
        on_hedge: Callable[[bool], None],
        policy: HedgingPolicy = DEFAULT_HEDGING_POLICY,
    ) -> None:
        self._try_spend = try_spend
        self._on_hedge = on_hedge
        self._latencies = LatencyWindow(policy)

    async def run(self, send: Callable[[], Awaitable[T]], deadline: float) -> T:
        """Return the first answer of the call or its hedge; raise the call's error if neither is answered.

        `deadline` is a time of `time.monotonic`: a hedge that could not be answered before it is not sent.
        """
        late_after_s = self._latencies.late_after_s
        if late_after_s is None or time.monotonic() + 2 * late_after_s >= deadline:
            return await self._timed(send)
        first = asyncio.ensure_future(self._timed(send))
        try:
            await asyncio.wait({first}, timeout=late_after_s)
            if first.done() or not self._try_spend():
                return await first
            return await self._race(first, asyncio.ensure_future(self._timed(send)))
        finally:
            await _cancel_and_collect(first)

    async def _race(self, first: "asyncio.Future[T]", second: "asyncio.Future[T]") -> T:
        try:
            await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
            if not _is_answer(first) and not _is_answer(second):
                await asyncio.wait({first, second})
            second_won = not _is_answer(first) and _is_answer(second)
            self._on_hedge(second_won)
            return (second if second_won else first).result()
        finally:
            await _cancel_and_collect(second)

    async def _timed(self, send: Callable[[], Awaitable[T]]) -> T:
        started = time.monotonic()
        answer = await send()
        self._latencies.record(time.monotonic() - started)
        return answer


def _is_answer(call: "asyncio.Future[T]") -> bool:
    """Return whether the call brought an answer, or an error that a repeat would bring as well."""
    if not call.done() or call.cancelled():
        return False
    error = call.exception()
    return error is None or not (isinstance(error, DomainError) and error.reason in UNAVAILABLE_REASONS)


async def _cancel_and_collect(call: "asyncio.Future[T]") -> None:
    """Cancel a call whose answer is not needed any more."""
    if not call.done():
        call.cancel()
        await asyncio.wait({call})
    if not call.cancelled():
        # Retrieved, so that asyncio does not log an unretrieved error.
        call.exception()
