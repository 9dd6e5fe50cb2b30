"""Group commit: units of work that arrive during a commit share the next transaction.

A transaction's fixed cost (begin, commit, waiting for the majority, the rows of inbox and outbox) is then
paid once for many. Nothing else changes: each unit commits with its events and its inbox row, and one that
fails harms no other, because after a failure before the commit each runs alone.
"""

import asyncio
from collections.abc import Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import Any, Final

from chassis.concurrency.coalescing import Coalescer
from chassis.sharding.transactions import NotCommittedError, TransactionRunner, UnitOfWork

MAX_CONCURRENT_TRANSACTIONS: Final = 1
"""Transactions in flight on one shard: while one waits for the majority, another one works."""
MAX_GROUP_SIZE: Final = 32


class GroupCommit:
    """Runs units of work on one shard, all that wait in one transaction."""

    def __init__(self, transactions: TransactionRunner) -> None:
        self._transactions = transactions
        self._pending: Coalescer[UnitOfWork, Any] = Coalescer(
            self._commit, max_concurrent=MAX_CONCURRENT_TRANSACTIONS, max_batch=MAX_GROUP_SIZE
        )

    async def submit(self, work: UnitOfWork) -> Any:
        """Run a unit of work; see `Shard.run_in_transaction`."""
        return await self._pending.submit(replace(work, context=copy_context()))

    async def _commit(self, works: Sequence[UnitOfWork]) -> Sequence[Any]:
        if len(works) == 1:
            return [await self._transactions.run_alone(replace(works[0], context=None))]
        try:
            return await self._transactions.run_group(works)
        except NotCommittedError:
            alone = (
                asyncio.create_task(
                    self._transactions.run_alone(replace(work, context=None)), context=work.context
                )
                for work in works
            )
            return await asyncio.gather(*alone, return_exceptions=True)
