"""Coalescing: items that arrive while a batch is in flight go together in the next one.

A lone item does not wait. Under load the fixed cost of a round trip, a transaction or a call is paid once for
many. An item is part of a batch that begins after its submission, so a result is never older than its
request.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chassis.call_context import current_call

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _PendingItem(Generic[T, R]):
    item: T
    result: asyncio.Future[R]
    context: Context = field(default_factory=copy_context)
    deadline: float = field(default_factory=lambda: current_call().deadline or math.inf)

    def resolve(self, result: R | BaseException) -> None:
        """Set the result, unless its caller has gone away."""
        if self.result.done():
            return
        if isinstance(result, BaseException):
            self.result.set_exception(result)
        else:
            self.result.set_result(result)


class Coalescer(Generic[T, R]):
    """Runs the items that callers submit one by one in batches.

    `run_batch` gets up to `max_batch` items and returns a result, or the error to raise, for each, in order;
    an error that it raises goes to all. At most `max_concurrent` batches are in flight. A batch runs within
    the deadline and under the trace of the member with the latest deadline, and is cancelled when all callers
    have gone away. The number of waiting items is bounded by the calls that the process admits.
    """

    def __init__(
        self,
        run_batch: Callable[[Sequence[T]], Awaitable[Sequence[R | BaseException]]],
        *,
        max_concurrent: int,
        max_batch: int,
    ) -> None:
        self._run_batch = run_batch
        self._max_concurrent = max_concurrent
        self._max_batch = max_batch
        self._waiting: deque[_PendingItem[T, R]] = deque()
        self._workers: set[asyncio.Task[Any] | None] = set()

    async def submit(self, item: T) -> R:
        """Return the result for `item`, or raise its error."""
        waiting: _PendingItem[T, R] = _PendingItem(item, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._workers) < self._max_concurrent:
            self._workers.add(asyncio.create_task(self._drain()))
        return await waiting.result

    async def _drain(self) -> None:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]
            batch = [each for each in taken if not each.result.done()]
            if batch:
                await self._run_in_context(batch)
        # In the same step as the check for waiting items: another item must not arrive in between and find no
        # worker.
        self._workers.discard(asyncio.current_task())

    async def _run_in_context(self, batch: Sequence[_PendingItem[T, R]]) -> None:
        latest = max(batch, key=lambda each: each.deadline)
        running = asyncio.create_task(self._complete(batch), context=latest.context)

        def cancel_if_abandoned(_: asyncio.Future[R]) -> None:
            if all(each.result.cancelled() for each in batch):
                running.cancel()

        for each in batch:
            each.result.add_done_callback(cancel_if_abandoned)
        await asyncio.wait((running,))

    async def _complete(self, batch: Sequence[_PendingItem[T, R]]) -> None:
        try:
            results = await self._run_batch([each.item for each in batch])
        except Exception as error:
            results = [error] * len(batch)
        for each, result in zip(batch, results, strict=True):
            each.resolve(result)
