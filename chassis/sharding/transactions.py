"""Transactions: a change and its events, committed together on one shard."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import pymongo
from google.protobuf.message import Message
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from chassis.clock import Clock
from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.errors import DomainError, unavailable
from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.sharding import outbox
from chassis.sharding.collections import (
    DUPLICATE_KEY_CODE,
    ShardCollection,
    ShardDatabase,
    is_duplicate_key_error,
)
from chassis.sharding.inbox import INBOX_COLLECTION, EventInSlot
from chassis.sharding.operation_guard import UNKNOWN_COMMIT_RESULT, OperationGuard
from chassis.sharding.write_lease import WritePermit

T = TypeVar("T")

TRANSIENT_ERROR_LABEL: Final = "TransientTransactionError"
TRANSACTION_RETRY_POLICY: Final = RetryPolicy(initial_s=0.005, max_s=0.5)
ABORT_TIMEOUT_S: Final = 1.0
DOWN_ABORT_TIMEOUT_S: Final = 0.01
"""For an abort that is only local: a shard that is down aborts by itself."""


class Transaction:
    """One attempt: operations through `db`, or with `session`, commit as a whole or not at all."""

    def __init__(
        self,
        session: AsyncClientSession,
        database: ShardDatabase,
        permit: WritePermit,
        source: str,
        clock: Clock,
    ) -> None:
        self.session = session
        self.db = database
        self._permit = permit
        self._source = source
        self._clock = clock
        self._pending_inserts: dict[str, list[Document]] = {}

    def insert_at_commit(self, collection: str, document: Document) -> None:
        """Insert a document at the end of the work, in one command with others for the same collection.

        Documents that later steps of the work read are inserted through `db` instead. A duplicate makes the
        transaction fail with DuplicateKeyError.
        """
        self._pending_inserts.setdefault(collection, []).append(document)

    def emit(self, message: Message, *, subject: str) -> None:
        """Emit an event, which is sent if, and only if, the transaction commits.

        `subject` is the ID of the entity that the event is about. Raises ValueError when it is no ID,
        ContractError when the message is not one of the declared events, and DomainError UNAVAILABLE when the
        entity's slot is about to leave the shard.
        """
        slot = slot_of(subject)
        self._permit.raise_if_slot_blocked(slot)
        event = outbox.build_envelope(
            message, subject=subject, source=self._source, time=self._clock.now(), slot=slot
        )
        self.insert_at_commit(outbox.OUTBOX_COLLECTION, outbox.build_outbox_row(event, slot))

    @property
    def pending_inserts(self) -> Mapping[str, Sequence[Document]]:
        """The documents to insert, by collection; the emitted events among them."""
        return self._pending_inserts


@dataclass(frozen=True)
class UnitOfWork:
    """A unit of change; the events that it handles are recorded with it in the inbox.

    `run` is executed in `context`, with the deadline and trace of the call that submitted it; None means the
    current context.
    """

    run: Callable[[Transaction], Awaitable[Any]]
    events: Sequence[EventInSlot] = ()
    context: Context | None = None


class NotCommittedError(Exception):
    """Nothing of this attempt was committed; the cause says why."""


class TransactionRunner:
    """Runs work in transactions on one shard."""

    def __init__(
        self, database: ShardDatabase, guard: OperationGuard, permit: WritePermit, clock: Clock
    ) -> None:
        self._database = database
        self._guard = guard
        self._permit = permit
        self._source = database.name.removeprefix("ic_")
        self._clock = clock

    async def run_alone(self, work: UnitOfWork) -> Any:
        """Run a unit of work in a transaction of its own; see `Shard.run_in_transaction`."""
        try:
            return await self._run_alone(work)
        except _EventAlreadyHandledError:
            return None

    async def run_batch(
        self,
        events: Sequence[EventInSlot],
        run: Callable[[Transaction, Sequence[EventInSlot]], Awaitable[None]],
    ) -> None:
        """Handle events in one transaction; see `Shard.run_batch_in_transaction`."""
        left = tuple({event.row_id: event for event in events}.values())
        while left:
            try:
                await self._run_alone(UnitOfWork(partial(_run_with_events, run, left), left))
                return
            except _EventAlreadyHandledError:
                left = await self._not_yet_handled(left)

    async def _not_yet_handled(self, events: Sequence[EventInSlot]) -> tuple[EventInSlot, ...]:
        query = {"_id": {"$in": [event.row_id for event in events]}}
        rows = self._database[INBOX_COLLECTION].find(query, {"_id": True}, hint="_id_")
        handled = {row["_id"] async for row in rows}
        return tuple(event for event in events if event.row_id not in handled)

    async def _run_alone(self, work: UnitOfWork) -> Any:
        deadline = self._deadline()

        async def attempt(session: AsyncClientSession) -> Any:
            (result,) = await self._attempt(session, [work])
            await self._commit(session, deadline)
            return result

        async with self._permit, self._session() as session:
            return await self._retry(lambda: attempt(session), TRANSIENT_ERROR_LABEL, deadline)

    async def run_group(self, works: Sequence[UnitOfWork]) -> list[Any]:
        """Try to commit several units of work at once; return their results, in order.

        Raises NotCommittedError for any failure before the commit, and for a commit that was undone: each may
        still succeed alone.
        """
        async with self._permit, self._session() as session:
            try:
                results = await self._attempt(session, works)
            except Exception as error:
                raise NotCommittedError from error
            try:
                await self._commit(session, self._deadline())
            except (DomainError, PyMongoError) as error:
                if not _has_label(error, TRANSIENT_ERROR_LABEL):
                    raise
                raise NotCommittedError from error
            return results

    def _session(self) -> AsyncClientSession:
        return self._database.client.start_session(causal_consistency=False)

    async def _attempt(self, session: AsyncClientSession, works: Sequence[UnitOfWork]) -> list[Any]:
        """Do everything but the commit; return the results."""
        await session.start_transaction()
        try:
            bound = self._database.bind_to_session(session)
            await self._insert_inbox_rows(bound, works)
            attempts = [(work, self._transaction(session, bound)) for work in works]
            results = [await _run_unit(work, transaction) for work, transaction in attempts]
            for collection, documents in _documents_by_collection(
                transaction for _, transaction in attempts
            ).items():
                await _insert_documents(bound[collection], documents)
        except BaseException:
            await self._abort(session)
            raise
        return results

    def _transaction(self, session: AsyncClientSession, bound: ShardDatabase) -> Transaction:
        return Transaction(session, bound, self._permit, self._source, self._clock)

    async def _insert_inbox_rows(self, database: ShardDatabase, works: Sequence[UnitOfWork]) -> None:
        now = self._clock.now()
        rows = [event.build_row(now) for work in works for event in work.events]
        try:
            await _insert_documents(database[INBOX_COLLECTION], rows)
        except DuplicateKeyError:
            raise _EventAlreadyHandledError from None

    async def _commit(self, session: AsyncClientSession, deadline: float) -> None:
        self._permit.raise_if_revoked()
        await self._retry(
            lambda: self._guard.run(session.commit_transaction), UNKNOWN_COMMIT_RESULT, deadline
        )

    async def _retry(self, call: Callable[[], Awaitable[T]], label: str, deadline: float) -> T:
        """Call until `deadline` as long as the driver labels its errors so."""
        try:
            return await retry_call_async(
                call,
                TRANSACTION_RETRY_POLICY,
                on=(DomainError, PyMongoError),
                may_retry=lambda error, _failures: _has_label(error, label),
                deadline=deadline,
            )
        except PyMongoError as error:
            if _has_label(error, label):
                # Without the cause, whose other labels would tell that nothing was committed.
                raise unavailable(self._guard.resource_name) from None
            raise

    def _deadline(self) -> float:
        return time.monotonic() + self._guard.remaining_budget_s()

    async def _abort(self, session: AsyncClientSession) -> None:
        timeout_s = DOWN_ABORT_TIMEOUT_S if self._guard.lacks_primary() else ABORT_TIMEOUT_S
        with suppress(PyMongoError), pymongo.timeout(timeout_s):
            await session.abort_transaction()


async def _run_unit(work: UnitOfWork, transaction: Transaction) -> Any:
    async def do() -> Any:
        return await work.run(transaction)

    return await (do() if work.context is None else asyncio.create_task(do(), context=work.context))


def _documents_by_collection(transactions: Iterable[Transaction]) -> Mapping[str, list[Document]]:
    """Return all inserted documents by collection, the outbox last."""
    everything: dict[str, list[Document]] = {}
    for transaction in transactions:
        for collection, documents in transaction.pending_inserts.items():
            everything.setdefault(collection, []).extend(documents)
    if events := everything.pop(outbox.OUTBOX_COLLECTION, None):
        everything[outbox.OUTBOX_COLLECTION] = events
    return everything


async def _insert_documents(collection: ShardCollection, documents: Sequence[Document]) -> None:
    if len(documents) == 1:
        await collection.insert_one(documents[0])
    elif documents:
        try:
            await collection.insert_many(documents)
        except BulkWriteError as error:
            raise _duplicate_in(error) or error from None


async def _run_with_events(
    run: Callable[[Transaction, Sequence[EventInSlot]], Awaitable[None]],
    events: Sequence[EventInSlot],
    transaction: Transaction,
) -> None:
    await run(transaction, events)


def is_duplicate(error: BulkWriteError) -> bool:
    """Return whether one of the documents was there already."""
    return _duplicate_in(error) is not None


def _duplicate_in(error: BulkWriteError) -> DuplicateKeyError | None:
    """Return the error that inserting the document alone would have raised; None for another failure."""
    for failed in error.details["writeErrors"]:
        if is_duplicate_key_error(failed):
            return DuplicateKeyError(failed["errmsg"], DUPLICATE_KEY_CODE, failed)
    return None


class _EventAlreadyHandledError(Exception):
    """The inbox holds this event already."""


def _has_label(error: Exception, label: str) -> bool:
    driver_error = error.__cause__ if isinstance(error, DomainError) else error
    return isinstance(driver_error, PyMongoError) and driver_error.has_error_label(label)
