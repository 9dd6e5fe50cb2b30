"""Shares of a population, each written by a process of its own."""

import asyncio
import gc
import multiprocessing
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing.queues import Queue
from queue import Empty
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import uvloop

from chassis.errors import DomainError
from ops.errors import OpsError

T = TypeVar("T")
R = TypeVar("R")

MAX_SEED_PROCESSES: Final = 4
PROGRESS_INTERVAL_S: Final = 0.2

Progress = Callable[[str, int], None]
"""Reports what was written, and how many more of it."""

_progress_queue: "Queue[tuple[str, int]] | None" = None


@dataclass(frozen=True)
class Share:
    """Every `count`-th item, beginning with the `number`-th."""

    number: int
    count: int

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Return the share's items, in their order."""
        return items[self.number :: self.count]


async def take_next(items: Iterator[T], count: int) -> list[T]:
    """Return the next items, at most `count`. Others get the event loop between any two.

    Making an item takes milliseconds, during which this process has to confirm its leases on the shards.
    """
    taken = []
    for item in islice(items, count):
        taken.append(item)
        await asyncio.sleep(0)
    return taken


class SeedProcesses:
    """Processes that work on shares at the same time.

    They are forked, so that each has the services' code at once; until then this process has no event loop
    and no client.
    """

    def __init__(self, progress: Progress) -> None:
        context = multiprocessing.get_context("fork")
        self.count = min(MAX_SEED_PROCESSES, os.cpu_count() or 1)
        self._progress = progress
        self._reports: Queue[tuple[str, int]] = context.Queue()
        self._pool = ProcessPoolExecutor(
            self.count, mp_context=context, initializer=_keep_queue, initargs=(self._reports,)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self, work: Callable[..., Coroutine[Any, Any, R]], *arguments: Any) -> "list[Future[R]]":
        """Begin `work(*arguments, share, progress)` for each share."""
        shares = [Share(number, self.count) for number in range(self.count)]
        return [self._pool.submit(_run_share, work, (*arguments, share)) for share in shares]

    def results(self, started: "Iterable[Future[R]]") -> list[R]:
        """Return the results of all shares, and report their progress until then.

        Raises:
            OpsError: a share could not be written; the message says why.
        """
        pending = set(started)
        futures = list(pending)
        while pending:
            _, pending = wait(pending, timeout=PROGRESS_INTERVAL_S)
            self._report_progress()
        return [future.result() for future in futures]

    def _report_progress(self) -> None:
        try:
            while True:
                self._progress(*self._reports.get_nowait())
        except Empty:
            return


def _keep_queue(reports: "Queue[tuple[str, int]]") -> None:
    global _progress_queue  # noqa: PLW0603 - the only way to hand a queue to the processes of a pool
    _progress_queue = reports
    # What the parent left behind is not for this process to end: the last channel of gRPC would wait for
    # ever for a thread that is the parent's.
    gc.freeze()


def _run_share(work: Callable[..., Coroutine[Any, Any, R]], arguments: tuple[Any, ...]) -> R:
    try:
        return uvloop.run(work(*arguments, _report))
    except ExceptionGroup as errors:
        raise _early_end(errors.exceptions[0]) from None
    except (DomainError, OSError) as error:
        raise _early_end(error) from None


def _report(what: str, more: int) -> None:
    if _progress_queue is not None:
        _progress_queue.put((what, more))


def _early_end(error: Exception) -> OpsError:
    return OpsError(f"seeding ended early: {error}; see `ic status`, then run it again")
