"""Changes of aggregates: read, decide, compare-and-set and emit, on the shard of their ID."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import Message
from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from chassis.aggregates import Aggregate, AggregateChange
from chassis.concurrency.keyed_lock import KeyedLock
from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.errors import DomainError, not_found, overloaded
from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.observability import metrics
from chassis.sharding.collections import ShardCollection, ShardDatabase
from chassis.sharding.inbox import IncomingEvent
from chassis.sharding.reconciler import find_existing_ids, iterate_pages
from chassis.sharding.shard import Shard
from chassis.sharding.shards import FoundByShard, Shards
from chassis.sharding.transactions import Transaction

A = TypeVar("A", bound=Aggregate)

Decide = Callable[[A], AggregateChange[A] | None]
"""Returns the change of an aggregate, or None; raises when rules refuse it. Pure, as it may run again."""
DecideOrCreate = Callable[[A | None], AggregateChange[A] | None]
"""The same for an aggregate that may not exist yet."""

UPDATE_RETRY_POLICY: Final = RetryPolicy(initial_s=0.005, max_s=0.25, max_attempts=8)
"""A compare-and-set is lost only to another change of the same aggregate that took effect."""

_STORED, _UNCHANGED, _LOST = "stored", "unchanged", "lost"


class Repository(Generic[A]):
    """Aggregates of one kind in one collection, each in the slot of its ID.

    A change commits in one transaction with the domain events that it returns. Subclasses add queries with
    names of their own, and override `_to_document`, `_from_document`, `_write` and `_explain_duplicate` where
    an aggregate has derived documents or unique indexes.
    """

    def __init__(
        self,
        shards: Shards,
        collection: CollectionSpec,
        kind: type[A],
        *,
        resource: str,
        not_found_reason: str,
        encode_event: Callable[[Any], Message],
        is_serialised: bool = False,
    ) -> None:
        """Make the repository; `resource` is an aggregate's name in errors, `encode_event` makes messages.

        With `is_serialised`, changes of one aggregate within this process run one after the other: cheaper
        than lost attempts where many change the same one at once.
        """
        self._shards = shards
        self._spec = collection
        self._kind = kind
        self._resource = resource
        self._not_found_reason = not_found_reason
        self._encode_event = encode_event
        self._locks = KeyedLock() if is_serialised else None

    # --- reading

    async def get(self, id_: str) -> A | None:
        """Return the aggregate of an ID (index `_id_`), or None."""
        return await self._find_in(self._shards.shard_for(id_).db, id_)

    async def get_or_raise(self, id_: str) -> A:
        """Return the aggregate of an ID. Raises the repository's reason for one that is missing."""
        found = await self.get(id_)
        if found is None:
            raise self.not_found(id_)
        return found

    async def get_each(self, ids: Iterable[str]) -> FoundByShard[A]:
        """Return those of these aggregates that exist, and the IDs whose shards do not answer (`_id_`)."""

        async def on_shard(shard: Shard, own: list[str]) -> list[A]:
            query: Document = {"_id": {"$in": own}}
            if self._has_slot_key:
                query["slot"] = {"$in": sorted({slot_of(id_) for id_ in own})}
            cursor = shard.db[self._spec.name].find(query, hint="_id_")
            return [self._from_document(document) for document in await cursor.to_list()]

        return await self._shards.find_by_ids(ids, on_shard)

    async def existing_ids(self, ids: Collection[str]) -> set[str]:
        """Return those of these IDs that are stored (`_id_`). Raises UNAVAILABLE unless all shards answer."""
        return await find_existing_ids(self._shards, self._spec.name, ids)

    async def page(
        self,
        owner_id: str,
        query: Document,
        *,
        index: str,
        after_id: str | None,
        limit: int,
        projection: Document | None = None,
    ) -> list[A]:
        """Return at most `limit` aggregates in the owner's slot that match, newest first, after `after_id`.

        For the named queries of subclasses: `query` is Mongo's, and `index` serves it in order of `_id`.
        """
        matching: Document = {"slot": slot_of(owner_id)} | query
        if after_id is not None:
            matching["_id"] = {"$lt": after_id}
        cursor = self._collection(owner_id).find(matching, projection, hint=index)
        documents = await cursor.sort("_id", DESCENDING).limit(limit).to_list()
        return [self._from_document(document) for document in documents]

    async def iterate_pages(self, projection: Document | None = None) -> AsyncIterator[list[A]]:
        """Yield all aggregates, shard by shard and page by page (index `_id_`)."""
        for shard in self._shards.all_shards():
            async for page in iterate_pages(shard.db[self._spec.name], projection):
                yield [self._from_document(document) for document in page]

    def not_found(self, id_: str) -> DomainError:
        """Return the error for an aggregate that is missing, or that the caller may not see."""
        return not_found(self._not_found_reason, self._resource, id_)

    # --- changing

    async def insert(self, aggregate: A, *events: object) -> A:
        """Store a new aggregate with its events, or return the one of the same ID that is stored already.

        Raises the error of `_explain_duplicate` when another aggregate holds the same unique key.
        """

        async def work(tx: Transaction) -> None:
            self._add(tx, aggregate)
            self._emit(tx, aggregate.id, events)

        try:
            await self._run(aggregate.id, work)
        except DuplicateKeyError:
            if (existing := await self.get(aggregate.id)) is not None:
                return existing
            raise await self._explain_duplicate(aggregate) or overloaded(self._resource) from None
        return aggregate

    async def update(
        self,
        id_: str,
        decide: Decide[A],
        *,
        known: A | None = None,
        handling: IncomingEvent | None = None,
    ) -> A:
        """Read an aggregate, decide, store the result unless it has changed since, and emit its events.

        `known` is the aggregate as read a moment ago, and saves the first read; after a lost compare-and-set
        `decide` gets the stored one. With `handling` the incoming event is recorded in the same transaction,
        and a repeat of it changes nothing.

        Raises:
            DomainError: the repository's not-found reason, what `decide` raises, and OVERLOADED when other
                changes of the aggregate win every time.
        """

        def decide_if_found(found: A | None) -> AggregateChange[A] | None:
            if found is None:
                raise self.not_found(id_)
            return decide(found)

        updated = await self.upsert(id_, decide_if_found, known=known, handling=handling)
        if updated is None:
            raise self.not_found(id_)
        return updated

    async def upsert(
        self,
        id_: str,
        decide: DecideOrCreate[A],
        *,
        known: A | None = None,
        handling: IncomingEvent | None = None,
    ) -> A | None:
        """Update an aggregate that may not exist, as `update` does: `decide` may get None, and create it.

        Return the aggregate afterwards; None when there is still none.
        """

        async def attempt() -> A | None:
            nonlocal known
            outcome, updated = await (
                self._attempt(id_, decide, known)
                if handling is None
                else self._attempt_once(id_, decide, handling)
            )
            metrics.repository_updates.labels(self._spec.name, outcome).inc()
            known = None
            if outcome == _LOST:
                raise _UpdateLostError
            return updated

        try:
            async with self._turn(id_):
                return await retry_call_async(attempt, UPDATE_RETRY_POLICY, on=_UpdateLostError)
        except _UpdateLostError:
            raise overloaded(f"the {self._resource}") from None

    async def _attempt(self, id_: str, decide: DecideOrCreate[A], known: A | None) -> tuple[str, A | None]:
        """Decide outside of the transaction, so that a refusal costs none and disturbs no other change."""
        before = known if known is not None else await self.get(id_)
        change = decide(before)
        if change is None or (change.aggregate is None and not change.events):
            return _UNCHANGED, before

        async def work(tx: Transaction) -> bool:
            return await self._apply(tx, id_, before, change)

        return await self._run_or_lose(id_, work, _aggregate_after(before, change))

    async def _run_or_lose(
        self, id_: str, work: Callable[[Transaction], Any], after: A | None
    ) -> tuple[str, A | None]:
        try:
            is_stored = await self._run(id_, work)
        except DuplicateKeyError:
            await self._raise_duplicate(after)
            return _LOST, None
        return (_STORED, after) if is_stored else (_LOST, None)

    async def _attempt_once(
        self, id_: str, decide: DecideOrCreate[A], handling: IncomingEvent
    ) -> tuple[str, A | None]:
        """Decide within the transaction, after the check of the inbox, as a repeat must change nothing."""
        decided: A | None = None

        async def work(tx: Transaction) -> tuple[bool, A | None]:
            nonlocal decided
            before = await self._find_in(tx.db, id_)
            change = decide(before) or AggregateChange()
            decided = _aggregate_after(before, change)
            return await self._apply(tx, id_, before, change), decided

        try:
            result = await self._run(id_, work, handling=handling)
        except DuplicateKeyError:
            await self._raise_duplicate(decided)
            return _LOST, None
        if result is None:
            return _UNCHANGED, await self.get(id_)
        is_stored, after = result
        return (_STORED, after) if is_stored else (_LOST, None)

    # --- building blocks of subclasses that change an aggregate together with others in its slot

    async def _run(
        self, id_: str, work: Callable[[Transaction], Any], *, handling: IncomingEvent | None = None
    ) -> Any:
        """Run `work` in a transaction on the aggregate's shard; see `Shard.run_in_transaction`."""
        return await self._shards.shard_for(id_).run_in_transaction(work, event=handling, slot=slot_of(id_))

    async def _find_in(self, database: ShardDatabase, id_: str) -> A | None:
        document = await database[self._spec.name].find_one(self._identity(id_), hint="_id_")
        return None if document is None else self._from_document(document)

    async def _apply(self, tx: Transaction, id_: str, before: A | None, change: AggregateChange[A]) -> bool:
        """Store and emit; False, with nothing done, when the stored aggregate is not `before` any more."""
        if change.aggregate is not None and not await self._write(tx, before, change.aggregate):
            return False
        self._emit(tx, id_, change.events)
        return True

    async def _write(self, tx: Transaction, before: A | None, after: A) -> bool:
        """Replace `before` by `after`; return False when another version is stored."""
        if before is None:
            self._add(tx, after)
            return True
        unchanged = self._identity(before.id) | {"version": before.version}
        result = await tx.db[self._spec.name].replace_one(unchanged, self._to_document(after), hint="_id_")
        return bool(result.matched_count)

    def _add(self, tx: Transaction, aggregate: A) -> None:
        tx.insert_at_commit(self._spec.name, self._to_document(aggregate))

    def _emit(self, tx: Transaction, id_: str, events: Iterable[object]) -> None:
        for event in events:
            tx.emit(self._encode_event(event), subject=id_)

    def _to_document(self, aggregate: A) -> Document:
        return to_document(aggregate, slot=slot_of(aggregate.id))

    def _from_document(self, document: Document) -> A:
        return from_document(self._kind, document)

    async def _explain_duplicate(self, aggregate: A) -> DomainError | None:
        """Return the error to raise when another aggregate holds the unique key; None to try again."""
        return None

    async def _raise_duplicate(self, after: A | None) -> None:
        error = None if after is None else await self._explain_duplicate(after)
        if error is not None:
            raise error from None

    def _turn(self, id_: str) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._locks is None else self._locks.hold(id_)

    def _collection(self, id_: str) -> ShardCollection:
        return self._shards.shard_for(id_).db[self._spec.name]

    def _identity(self, id_: str) -> Document:
        """Return the query for one aggregate, with its slot if that is a native sharded cluster's key."""
        return {"_id": id_, "slot": slot_of(id_)} if self._has_slot_key else {"_id": id_}

    @property
    def _has_slot_key(self) -> bool:
        return self._spec.shard_key == "slot"


def _aggregate_after(before: A | None, change: AggregateChange[A]) -> A | None:
    return before if change.aggregate is None else change.aggregate


class _UpdateLostError(Exception):
    """Another change of the aggregate took effect first."""
