"""Ends each call at the client's deadline or the contract's, whichever comes first."""

import asyncio
import time
from typing import Any, Final

from chassis.call_context import current_call
from chassis.contracts import RpcSpec
from chassis.errors import DomainError
from chassis.grpc.handlers import RpcContext, RpcHandler

SWEEP_INTERVAL_S: Final = 0.01
"""How much later than its deadline a call may be cancelled."""


class DeadlineInterceptor:
    """Cancels a call at its deadline and answers DEADLINE_EXCEEDED.

    One timer for all calls looks for late ones, as a timer for each costs more than the rest of this. A
    server stream whose contract sets no deadline ends when its client does.
    """

    def __init__(self) -> None:
        self._sweep = _DeadlineSweep()

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        max_s = rpc.policy.deadline_ms / 1000
        if not max_s:
            return proceed
        sweep = self._sweep

        async def timed(request: Any, context: RpcContext) -> bytes:
            asked_s = context.time_remaining()
            limit_s = max_s if asked_s is None or asked_s > max_s else asked_s
            call = current_call()
            call.deadline = time.monotonic() + limit_s
            timed_call = sweep.add(limit_s)
            try:
                return await proceed(request, context)
            except asyncio.CancelledError:
                if timed_call.is_over and timed_call.task.uncancel() == 0:
                    raise _deadline_exceeded(limit_s) from None
                if time.monotonic() >= call.deadline:
                    call.outcome = "DEADLINE_EXCEEDED"
                raise
            finally:
                sweep.remove(timed_call)

        return timed


class _TimedCall:
    """The task that answers a call, the loop's time at which it ends, and whether it was cancelled for it."""

    __slots__ = ("ends_at", "is_over", "task")

    def __init__(self, task: asyncio.Task[Any], ends_at: float) -> None:
        self.task = task
        self.ends_at = ends_at
        self.is_over = False


class _DeadlineSweep:
    """Cancels the calls in progress that are over, all at once; it rests when there are none."""

    def __init__(self) -> None:
        self._calls: set[_TimedCall] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, limit_s: float) -> _TimedCall:
        """Cancel the current task in `limit_s` seconds."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is answered in a task")
        loop = task.get_loop()
        call = _TimedCall(task, loop.time() + limit_s)
        self._calls.add(call)
        if self._timer is None:
            self._timer = loop.call_later(SWEEP_INTERVAL_S, self._run, loop)
        return call

    def remove(self, call: _TimedCall) -> None:
        """Let a call that has ended be."""
        self._calls.discard(call)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for call in self._calls:
            if call.ends_at <= now and not call.is_over:
                call.is_over = True
                call.task.cancel()
        self._timer = loop.call_later(SWEEP_INTERVAL_S, self._run, loop) if self._calls else None


def _deadline_exceeded(limit_s: float) -> DomainError:
    return DomainError("DEADLINE_EXCEEDED", f"The call was not done within {limit_s:.3f} seconds.")
