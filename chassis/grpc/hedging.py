"""Hedged reads: a call slower than most of its kind is sent a second time, and the first answer counts.

After J. Dean and L. A. Barroso, The Tail at Scale (Communications of the ACM, 2013): the second request is
sent only after the 95th percentile of the latencies, which bounds its cost.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

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
        # The first call runs in the caller's task: one of its own would cost as much as the call.
        second: _SecondCall[T] = _SecondCall(lambda: self._timed(send), self._try_spend)
        timer = asyncio.get_running_loop().call_later(late_after_s, second.start)
        try:
            return await self._first_or(second, send)
        finally:
            timer.cancel()
            await second.cancel_and_collect()

    async def _first_or(self, second: "_SecondCall[T]", send: Callable[[], Awaitable[T]]) -> T:
        """Return the first answer; `second` interrupts the first call when it has one."""
        try:
            async with asyncio.timeout(None) as second.first_call:
                answer = await self._timed(send)
        except TimeoutError:
            if not second.has_answer:
                raise
        except DomainError as error:
            if error.reason not in UNAVAILABLE_REASONS or not await second.wait_for_answer():
                self._report(second)
                raise
        except Exception:
            self._report(second)
            raise
        else:
            self._report(second)
            return answer
        self._on_hedge(True)
        return second.result()

    def _report(self, second: "_SecondCall[T]") -> None:
        """Report a second call, if there was one, that did not bring the answer."""
        if second.is_started:
            self._on_hedge(False)

    async def _timed(self, send: Callable[[], Awaitable[T]]) -> T:
        started = time.monotonic()
        answer = await send()
        self._latencies.record(time.monotonic() - started)
        return answer


class _SecondCall(Generic[T]):
    """The second call, once it is sent, in a task of its own."""

    def __init__(self, send: Callable[[], Coroutine[Any, Any, T]], try_spend: Callable[[], bool]) -> None:
        self._send = send
        self._try_spend = try_spend
        self._context = copy_context()
        self._task: asyncio.Task[T] | None = None
        self.first_call: asyncio.Timeout | None = None

    @property
    def is_started(self) -> bool:
        return self._task is not None

    @property
    def has_answer(self) -> bool:
        """Whether the call brought an answer, or an error that a repeat would bring as well."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return False
        error = self._task.exception()
        return error is None or not (isinstance(error, DomainError) and error.reason in UNAVAILABLE_REASONS)

    def start(self) -> None:
        """Send the call, if the budget allows it."""
        if self._try_spend():
            self._task = asyncio.get_running_loop().create_task(self._send(), context=self._context)
            self._task.add_done_callback(self._interrupt_first_call)

    async def wait_for_answer(self) -> bool:
        """Wait until the call has ended; return whether it brought an answer."""
        if self._task is not None:
            await asyncio.wait({self._task})
        return self.has_answer

    def result(self) -> T:
        """Return the answer. Raises the call's error."""
        if self._task is None:
            raise RuntimeError("the second call was not sent")
        return self._task.result()

    async def cancel_and_collect(self) -> None:
        """Cancel the call if its answer is not needed any more."""
        if self._task is None:
            return
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        if not self._task.cancelled():
            # Retrieved, so that asyncio does not log an unretrieved error.
            self._task.exception()

    def _interrupt_first_call(self, _task: "asyncio.Task[T]") -> None:
        if self.has_answer and self.first_call is not None and not self.first_call.expired():
            # Nothing happens when the first call has just ended.
            with suppress(RuntimeError):
                self.first_call.reschedule(asyncio.get_running_loop().time())
