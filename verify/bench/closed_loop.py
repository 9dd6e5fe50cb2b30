"""A closed loop: a number of callers, each of which makes its next call when the last was answered."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from ops.errors import OpsError
from verify.bench.process_cpu import used_cpu_s
from verify.bench.samples import LoadSample

CALLS_END_TIMEOUT_S: Final = 6.0
"""A little longer than the deadline of every measured call."""


@dataclass(frozen=True)
class MeasurementTimes:
    """The durations of the measurement and of the warm-up before it."""

    window_s: float
    warm_up_s: float


class CallFailedError(Exception):
    """A call failed; the message is the reason that it is counted under."""


class CallsExhaustedError(Exception):
    """All available calls have been made."""


@dataclass
class _CallCounts:
    latencies_s: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    over: bool = False


async def run_closed_loop(
    act: Callable[[], Awaitable[object]], *, at_once: int, pace: MeasurementTimes, pids: Iterable[int]
) -> LoadSample:
    """Repeat `act` with `at_once` callers and sample the window after the warm-up.

    `act` raises CallFailedError for a call that is counted as failed, and CallsExhaustedError when there are
    no more calls: the window then ends early. `pids` are the processes whose CPU is counted, with their
    children.

    Raises:
        OpsError: one of the processes ended, or the calls did not last beyond the warm-up.
    """
    serving = list(pids)
    tally = _CallCounts()
    callers = {asyncio.create_task(_call_repeatedly(act, tally)) for _ in range(at_once)}
    try:
        await _wait_for_callers(callers, pace.warm_up_s)
        if all(caller.done() for caller in callers):
            raise OpsError("the warm-up used all calls up: measure for fewer --seconds")
        tally.latencies_s.clear()
        began, cpu_before_s = time.perf_counter(), used_cpu_s(serving)
        await _wait_for_callers(callers, pace.window_s)
        window_s, used_s = time.perf_counter() - began, used_cpu_s(serving) - cpu_before_s
        return LoadSample(window_s, used_s, tuple(tally.latencies_s), dict(tally.failures))
    finally:
        tally.over = True
        await _stop_callers(callers)


async def _wait_for_callers(callers: set[asyncio.Task[None]], seconds: float) -> None:
    """Wait for `seconds`, or until all callers have ended; raise a caller's unexpected error at once."""
    done, waiting = await asyncio.wait(callers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for caller in done:
        caller.result()
    if done and waiting:
        # Some callers have no calls left, and the others will soon have none.
        await asyncio.wait(waiting, timeout=seconds)


async def _stop_callers(callers: set[asyncio.Task[None]]) -> None:
    """Let the calls in flight end, since a driver may swallow a cancellation; then cancel the rest."""
    _, waiting = await asyncio.wait(callers, timeout=CALLS_END_TIMEOUT_S)
    for caller in waiting:
        caller.cancel()
    if waiting:
        await asyncio.wait(waiting, timeout=CALLS_END_TIMEOUT_S)


async def _call_repeatedly(act: Callable[[], Awaitable[object]], tally: _CallCounts) -> None:
    while not tally.over:
        began = time.perf_counter()
        try:
            await act()
        except CallFailedError as error:
            tally.failures[str(error)] += 1
        except CallsExhaustedError:
            return
        else:
            tally.latencies_s.append(time.perf_counter() - began)
