"""Changes of documents in one slot: in a transaction, repeated while other changes are faster."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Any, Final, Generic, TypeVar, overload

from google.protobuf.message import Message
from pymongo.errors import BulkWriteError, DuplicateKeyError

from chassis.concurrency.keyed_lock import KeyedLock
from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.errors import overloaded
from chassis.ids import slot_of
from chassis.observability import metrics
from chassis.sharding.inbox import EventInSlot, IncomingEvent
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction, is_duplicate

R = TypeVar("R")

WorkInTransaction = Callable[[Transaction], Awaitable[R]]
"""Changes documents of one slot; see `Shard.run_in_transaction`."""

UPDATE_RETRY_POLICY: Final = RetryPolicy(initial_s=0.005, max_s=0.25, max_attempts=8)
"""A compare-and-set is lost only to another change of the same aggregate that took effect."""


class ChangeOutcome(StrEnum):
    """The outcome of one attempt at a change."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    LOST = "lost"


class ChangedSinceReadError(Exception):
    """Another change was stored between this one's read and its write: nothing of this one may commit."""


@dataclass(frozen=True, slots=True)
class HandledChange(Generic[R]):
    """An event to handle by changing documents in the slot of an ID; `content` is what the change needs."""

    id: str
    event: IncomingEvent
    content: R

    @property
    def event_in_slot(self) -> EventInSlot:
        """The event, for the inbox."""
        return EventInSlot(self.event, slot_of(self.id))


class SlotRepository:
    """Documents of one slot that change together, in a transaction with the events that tell of it."""

    def __init__(
        self,
        shards: Shards,
        *,
        resource: str,
        metrics_label: str,
        encode_event: Callable[[Any], Message] | None = None,
        is_serialised: bool = False,
    ) -> None:
        """`resource` is the word for it in errors, `encode_event` gives the message of a domain event.

        With `is_serialised`, changes under one ID within this process run one after the other: cheaper than
        lost attempts where many change the same documents at once.
        """
        self._shards = shards
        self._resource = resource
        self._metrics_label = metrics_label
        self._encode_event = encode_event
        self._locks = KeyedLock() if is_serialised else None

    @overload
    async def _change_in_transaction(self, id_: str, work: WorkInTransaction[R]) -> R: ...
    @overload
    async def _change_in_transaction(
        self, id_: str, work: WorkInTransaction[R], *, handling: IncomingEvent | None
    ) -> R | None: ...
    async def _change_in_transaction(
        self, id_: str, work: WorkInTransaction[R], *, handling: IncomingEvent | None = None
    ) -> R | None:
        """Return what `work` returns, which reads, decides and stores in one transaction in the ID's slot.

        It runs again when another change was faster (`ChangedSinceReadError`, DuplicateKeyError). None for an
        incoming event that was handled before; `work` does not run then.

        Raises:
            DomainError: what `work` raises, and OVERLOADED when others are faster all the time.
        """

        async def attempt(_: int) -> tuple[ChangeOutcome, R | None]:
            try:
                return ChangeOutcome.STORED, await self._run_in_transaction(id_, work, handling=handling)
            except (ChangedSinceReadError, DuplicateKeyError):
                return ChangeOutcome.LOST, None

        return await self._repeat_while_lost(id_, attempt)

    async def _run_in_transaction(
        self, id_: str, work: WorkInTransaction[R], *, handling: IncomingEvent | None = None
    ) -> R | None:
        """Run `work` in a transaction on the ID's shard; see `Shard.run_in_transaction`."""
        shard = self._shards.shard_for(id_)
        result = await shard.run_in_transaction(work, event=handling, slot=slot_of(id_))
        await self._after_commit(id_)
        return result

    async def _handle_batch(
        self,
        changes: Sequence[HandledChange[R]],
        work: Callable[[Transaction, Sequence[R]], Awaitable[None]],
    ) -> None:
        """Handle events, all of one shard in one transaction, with `work` on their contents, in order.

        `work` gets those that were not handled before, and may run again. Events on shards that answer are
        handled even if others do not.

        Raises:
            DomainError: UNAVAILABLE, OVERLOADED or DEADLINE_EXCEEDED of one of the shards.
        """
        await self._shards.run_on_shards_of(
            changes,
            lambda change: change.id,
            lambda shard, own: self._handle_on_shard(shard, own, work),
        )

    async def _handle_on_shard(
        self,
        shard: Shard,
        changes: Sequence[HandledChange[R]],
        work: Callable[[Transaction, Sequence[R]], Awaitable[None]],
    ) -> None:
        content = {change.event_in_slot.row_id: change.content for change in changes}

        async def handle(tx: Transaction, events: Sequence[EventInSlot]) -> None:
            await work(tx, [content[event.row_id] for event in events])

        async def attempt() -> None:
            await shard.run_batch_in_transaction([change.event_in_slot for change in changes], handle)

        try:
            # Two transactions that insert the same document: the later one finds it when it runs again.
            await retry_call_async(
                attempt,
                UPDATE_RETRY_POLICY,
                on=BulkWriteError,
                may_retry=lambda error, _: is_duplicate(error),
            )
        except BulkWriteError as error:
            if not is_duplicate(error):
                raise
            raise overloaded(f"the {self._resource}") from None

    async def _after_commit(self, id_: str) -> None:
        """Do what follows each change under an ID, such as to drop cached answers."""

    def _emit(self, tx: Transaction, id_: str, events: Iterable[object]) -> None:
        for event in events:
            if self._encode_event is None:
                raise TypeError(f"the repository of {self._metrics_label} emits no events")
            tx.emit(self._encode_event(event), subject=id_)

    async def _repeat_while_lost(
        self, id_: str, attempt: Callable[[int], Awaitable[tuple[ChangeOutcome, R]]]
    ) -> R:
        """Return the result of the first attempt, numbered from 0, that is not lost to another change."""
        numbers = count()

        async def attempt_once() -> R:
            outcome, result = await attempt(next(numbers))
            metrics.repository_updates.labels(self._metrics_label, outcome).inc()
            if outcome is ChangeOutcome.LOST:
                raise _UpdateLostError
            return result

        try:
            async with self._locked(id_):
                return await retry_call_async(attempt_once, UPDATE_RETRY_POLICY, on=_UpdateLostError)
        except _UpdateLostError:
            raise overloaded(f"the {self._resource}") from None

    def _locked(self, id_: str) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._locks is None else self._locks.hold(id_)


class _UpdateLostError(Exception):
    """Another change of the aggregate took effect first."""
