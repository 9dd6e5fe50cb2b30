"""Group commit: works that arrive while others are being committed share the next transaction.

A transaction's own cost (begin, commit, waiting for the majority, the rows of inbox and outbox) is then paid
once for many. Nothing else changes: each work commits with its events and with the memory of the event that
it handles, and one that fails harms no other, because after a failure before the commit each runs alone.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import Any, Final

from chassis.mongo.transactions import NotCommittedError, Transactions, Work

AT_ONCE: Final = 2
"""Transactions under way on one shard: while one waits for the majority, another one works."""
MOST_TOGETHER: Final = 32


class GroupCommit:
    """Runs works on one shard, as many in one transaction as wait for one."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._waiting: deque[tuple[Work, asyncio.Future[Any]]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def run(self, work: Work) -> Any:
        """See `Shard.in_transaction`."""
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((replace(work, context=copy_context()), result))
        if len(self._lanes) < AT_ONCE:
            lane = asyncio.create_task(self._drain())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await result

    async def _drain(self) -> None:
        while self._waiting:
            most = min(MOST_TOGETHER, len(self._waiting))
            taken = [self._waiting.popleft() for _ in range(most)]
            wanted = [(work, result) for work, result in taken if not result.done()]
            if wanted:
                # In the context, so within the deadline, of the one that waits longest.
                await asyncio.create_task(self._settle(wanted), context=wanted[0][0].context)

    async def _settle(self, members: Sequence[tuple[Work, asyncio.Future[Any]]]) -> None:
        if len(members) == 1:
            await self._alone(*members[0])
            return
        try:
            results = await self._transactions.run_together([work for work, _ in members])
        except NotCommittedError:
            for member in members:
                await asyncio.create_task(self._alone(*member), context=member[0].context)
        except Exception as error:
            for _, result in members:
                _tell(result, error=error)
        else:
            for (_, result), value in zip(members, results, strict=True):
                _tell(result, value)

    async def _alone(self, work: Work, result: "asyncio.Future[Any]") -> None:
        try:
            value = await self._transactions.run(replace(work, context=None))
        except Exception as error:
            _tell(result, error=error)
        else:
            _tell(result, value)


def _tell(result: "asyncio.Future[Any]", value: Any = None, *, error: Exception | None = None) -> None:
    """Unless the one who asked has gone away."""
    if result.done():
        return
    if error is not None:
        result.set_exception(error)
    else:
        result.set_result(value)
