"""Changes of aggregates: read, decide, compare-and-set and emit, on the shard of their ID."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable
from dataclasses import fields
from typing import Any, Generic, TypeVar, cast

from google.protobuf.message import Message
from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from chassis.aggregates import Aggregate, AggregateChange, BatchRead
from chassis.errors import DomainError, not_found, overloaded
from chassis.idempotency import StoredAnswer
from chassis.ids import slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.collections import ShardCollection, ShardDatabase
from chassis.sharding.idempotency_store import IDEMPOTENCY_COLLECTION, answered_claim_row
from chassis.sharding.inbox import IncomingEvent
from chassis.sharding.reconciler import find_existing_ids, iterate_pages
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import ChangedSinceReadError, ChangeOutcome, SlotRepository
from chassis.sharding.transactions import Transaction

A = TypeVar("A", bound=Aggregate)
R = TypeVar("R")

Decide = Callable[[A], AggregateChange[A] | None]
"""Returns the change of an aggregate, or None; raises when rules refuse it. Pure, as it may run again."""
DecideOrCreate = Callable[[A | None], AggregateChange[A] | None]
"""The same for an aggregate that may not exist yet."""


class Repository(SlotRepository, Generic[A]):
    """Aggregates of one kind in one collection, each in the slot of its ID.

    A change commits in one transaction with the domain events that it returns. Subclasses add queries with
    names of their own, and override `_to_document`, `_from_document`, `_check_insert`, `_write`,
    `_after_commit` and `_explain_duplicate` where an aggregate has derived documents, cached answers or
    unique indexes. Changes of other documents in the transaction of an aggregate go through
    `_change_in_transaction` and `_apply_or_abort`.
    """

    def __init__(
        self,
        shards: Shards,
        collection: CollectionSpec,
        kind: type[A],
        *,
        resource: str,
        not_found_reason: str,
        encode_event: Callable[[Any], Message] | None = None,
        compared_fields: tuple[str, ...] = ("version",),
        is_single_document: bool = False,
        is_serialised: bool = False,
    ) -> None:
        """Make the repository; `resource` is an aggregate's name in errors, `encode_event` makes messages.

        Any two states of an aggregate differ in one of the `compared_fields`. With `is_single_document`
        nothing is derived from an aggregate: a change without events is one write, without a transaction.
        For `is_serialised` see `SlotRepository`.
        """
        super().__init__(
            shards,
            resource=resource,
            metrics_label=collection.name,
            encode_event=encode_event,
            is_serialised=is_serialised,
        )
        if missing := set(compared_fields) - {field.name for field in fields(cast(Any, kind))}:
            raise TypeError(f"{kind.__name__} has no {', '.join(sorted(missing))} to tell its states apart")
        self._spec = collection
        self._kind = kind
        self._not_found_reason = not_found_reason
        self._compared_fields = compared_fields
        self._is_single_document = is_single_document

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

    async def get_each(self, ids: Iterable[str]) -> BatchRead[A]:
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

    async def insert(self, aggregate: A, *events: object, answer: StoredAnswer | None = None) -> A:
        """Store a new aggregate with its events, or return the one of the same ID that is stored already.

        With `answer`, the answer to the call is stored in the same transaction; see `answer_in_change` in the
        contracts.

        Raises what `_check_insert` raises, and the error of `_explain_duplicate` when another aggregate holds
        the same unique key.
        """

        async def work(tx: Transaction) -> None:
            await self._check_insert(tx, aggregate)
            self._add(tx, aggregate)
            self._emit(tx, aggregate.id, events)
            if answer is not None:
                tx.insert_at_commit(IDEMPOTENCY_COLLECTION, answered_claim_row(answer, slot_of(aggregate.id)))

        try:
            if self._is_single_document and not events:
                await self._write_alone(None, aggregate)
            else:
                await self._run_in_transaction(aggregate.id, work)
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

        async def attempt(number: int) -> tuple[ChangeOutcome, A | None]:
            if handling is not None:
                return await self._attempt_once(id_, decide, handling)
            return await self._attempt(id_, decide, None if number else known)

        return await self._repeat_while_lost(id_, attempt)

    async def _attempt(
        self, id_: str, decide: DecideOrCreate[A], known: A | None
    ) -> tuple[ChangeOutcome, A | None]:
        """Decide outside of the transaction, so that a refusal costs none and disturbs no other change."""
        before = known if known is not None else await self.get(id_)
        change = decide(before)
        if change is None or (change.aggregate is None and not change.events):
            return ChangeOutcome.UNCHANGED, before
        after = _aggregate_after(before, change)
        try:
            is_stored = await self._store(id_, before, change)
        except DuplicateKeyError:
            await self._raise_duplicate(after)
            is_stored = False
        return (ChangeOutcome.STORED, after) if is_stored else (ChangeOutcome.LOST, None)

    async def _store(self, id_: str, before: A | None, change: AggregateChange[A]) -> bool:
        if self._is_single_document and change.aggregate is not None and not change.events:
            return await self._write_alone(before, change.aggregate)

        async def work(tx: Transaction) -> bool:
            return await self._apply(tx, id_, before, change)

        return bool(await self._run_in_transaction(id_, work))

    async def _attempt_once(
        self, id_: str, decide: DecideOrCreate[A], handling: IncomingEvent
    ) -> tuple[ChangeOutcome, A | None]:
        """Decide within the transaction, after the check of the inbox, as a repeat must change nothing."""
        decided: A | None = None

        async def work(tx: Transaction) -> tuple[A | None]:
            nonlocal decided
            before = await self._find_in(tx.db, id_)
            change = decide(before) or AggregateChange()
            decided = _aggregate_after(before, change)
            await self._apply_or_abort(tx, id_, before, change)
            return (decided,)

        try:
            result = await self._run_in_transaction(id_, work, handling=handling)
        except ChangedSinceReadError:
            return ChangeOutcome.LOST, None
        except DuplicateKeyError:
            await self._raise_duplicate(decided)
            return ChangeOutcome.LOST, None
        return (
            (ChangeOutcome.UNCHANGED, await self.get(id_))
            if result is None
            else (ChangeOutcome.STORED, result[0])
        )

    # --- building blocks of subclasses that change an aggregate together with others in its slot

    async def _find_in(self, database: ShardDatabase, id_: str) -> A | None:
        document = await database[self._spec.name].find_one(self._identity(id_), hint="_id_")
        return None if document is None else self._from_document(document)

    async def _apply(self, tx: Transaction, id_: str, before: A | None, change: AggregateChange[A]) -> bool:
        """Store and emit; False, with nothing done, when the stored aggregate is not `before` any more."""
        if change.aggregate is not None and not await self._write(tx, before, change.aggregate):
            return False
        self._emit(tx, id_, change.events)
        return True

    async def _apply_or_abort(
        self, tx: Transaction, id_: str, before: A | None, change: AggregateChange[A]
    ) -> None:
        """Store and emit, or raise ChangedSinceReadError, which undoes all of the transaction."""
        if not await self._apply(tx, id_, before, change):
            raise ChangedSinceReadError(id_)

    async def _write(self, tx: Transaction, before: A | None, after: A) -> bool:
        """Replace `before` by `after`; return False when another state is stored."""
        if before is None:
            self._add(tx, after)
            return True
        return await self._replace(tx.db[self._spec.name], before, after)

    async def _write_alone(self, before: A | None, after: A) -> bool:
        """Do the same without a transaction."""
        collection, is_stored = self._collection(after.id), True
        if before is None:
            await collection.insert_one(self._to_document(after))
        else:
            is_stored = await self._replace(collection, before, after)
        await self._after_commit(after.id)
        return is_stored

    async def _replace(self, collection: ShardCollection, before: A, after: A) -> bool:
        compared = {name: getattr(before, name) for name in self._compared_fields}
        unchanged = self._identity(before.id) | compared
        result = await collection.replace_one(unchanged, self._to_document(after), hint="_id_")
        return bool(result.matched_count)

    async def _check_insert(self, tx: Transaction, aggregate: A) -> None:
        """Raise what forbids to store a new aggregate, by what else its slot holds."""

    def _add(self, tx: Transaction, aggregate: A) -> None:
        tx.insert_at_commit(self._spec.name, self._to_document(aggregate))

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
