"""Idempotency keys: the same request gets the first answer again, for a day.

A claim is a row in the collection `idempotency` on the caller's shard, inserted before the work begins. It
keeps the operation's ID and time over all runs, so that a run that was cut off is repeated as the same
operation, and later the answer. Where the contract says `answer_in_change`, the row is inserted with its
answer in the transaction of the change instead. A TTL index on `time` deletes claims after 24 hours.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from chassis.clock import MAX_CLOCK_SKEW, Clock
from chassis.concurrency.coalescing import Coalescer
from chassis.errors import DomainError
from chassis.idempotency import IdempotencyClaim, IdempotentOperation, StoredAnswer
from chassis.mongo.documents import Document
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards

IDEMPOTENCY_COLLECTION: Final = "idempotency"
MAX_CONCURRENT_BATCHES: Final = 1
"""Batches of claims, and of answers, in flight on one shard."""
MAX_BATCH_SIZE: Final = 64


class IdempotencyStore(Protocol):
    """Stores claims and their answers."""

    async def claim_operation(self, claim: IdempotencyClaim, lease_s: float) -> IdempotentOperation | bytes:
        """Return the operation to run now, or the answer of an earlier run.

        For `lease_s` seconds no other run gets it. Raises DomainError IDEMPOTENCY_KEY_REUSED when the key
        stands for another request, OPERATION_IN_PROGRESS while another run has the lease.
        """
        ...

    async def find_answer(self, claim: IdempotencyClaim) -> bytes | None:
        """Return the stored answer, if any. Raises IDEMPOTENCY_KEY_REUSED for that of another request."""
        ...

    async def store_answer(self, claim: IdempotencyClaim, answer: bytes) -> None:
        """Store the answer for repeats of the request."""
        ...

    async def release(self, claim: IdempotencyClaim) -> None:
        """Delete the claim: the work was refused and changed nothing."""
        ...

    async def expire(self, claim: IdempotencyClaim) -> None:
        """End the lease: the outcome is unknown, so the next run repeats this operation."""
        ...


class MongoIdempotencyStore:
    """Claims on the callers' shards; those that arrive during a write go with the next batch."""

    def __init__(self, shards: Shards, clock: Clock) -> None:
        self._shards = shards
        self._clock = clock
        self._claim_stores: WeakKeyDictionary[Shard, _ClaimStore] = WeakKeyDictionary()

    async def claim_operation(self, claim: IdempotencyClaim, lease_s: float) -> IdempotentOperation | bytes:
        now = self._clock.now()
        lease_until = now + timedelta(seconds=lease_s)
        row = new_claim_row(claim, now, lease_until)
        if await self._claim_store(claim).inserts.submit(row):
            return IdempotentOperation(row["operation"], now)
        return await self._reclaim_operation(claim, now, lease_until)

    async def find_answer(self, claim: IdempotencyClaim) -> bytes | None:
        row = await self._collection_for(claim).find_one({"_id": claim.id, "slot": claim.slot}, hint="_id_")
        return None if row is None else answer_of_row(row, claim)

    async def store_answer(self, claim: IdempotencyClaim, answer: bytes) -> None:
        unanswered = {"_id": claim.id, "slot": claim.slot, "answer": None}
        keep = UpdateOne(unanswered, {"$set": {"answer": answer}})
        await self._claim_store(claim).answers.submit(keep)

    async def release(self, claim: IdempotencyClaim) -> None:
        await self._collection_for(claim).delete_one({"_id": claim.id, "slot": claim.slot, "answer": None})

    async def expire(self, claim: IdempotencyClaim) -> None:
        await self._collection_for(claim).update_one(
            {"_id": claim.id, "slot": claim.slot}, {"$set": {"lease_until": self._clock.now()}}
        )

    async def _reclaim_operation(
        self, claim: IdempotencyClaim, now: datetime, lease_until: datetime
    ) -> IdempotentOperation | bytes:
        row = await self._collection_for(claim).find_one({"_id": claim.id, "slot": claim.slot})
        if row is None:
            raise operation_in_progress(now, lease_until)
        if (answer := stored_answer(row, claim, now, lease_until)) is not None:
            return answer
        taken = await self._collection_for(claim).update_one(
            {"_id": claim.id, "slot": claim.slot, "answer": None, "lease_until": row["lease_until"]},
            {"$set": {"lease_until": lease_until}},
        )
        if not taken.modified_count:
            raise operation_in_progress(now, lease_until)
        return IdempotentOperation(row["operation"], row["time"], is_replay=True)

    def _collection_for(self, claim: IdempotencyClaim) -> Any:
        return self._shards.shard_for(claim.slot).db[IDEMPOTENCY_COLLECTION]

    def _claim_store(self, claim: IdempotencyClaim) -> "_ClaimStore":
        shard = self._shards.shard_for(claim.slot)
        store = self._claim_stores.get(shard)
        if store is None:
            store = self._claim_stores[shard] = _ClaimStore(shard)
        return store


class _ClaimStore:
    """The batches of claims, and of answers, of one shard."""

    def __init__(self, shard: Shard) -> None:
        self.inserts: Coalescer[Document, bool] = Coalescer(
            _InsertClaims(shard), max_concurrent=MAX_CONCURRENT_BATCHES, max_batch=MAX_BATCH_SIZE
        )
        self.answers: Coalescer[UpdateOne, None] = Coalescer(
            _StoreAnswers(shard), max_concurrent=MAX_CONCURRENT_BATCHES, max_batch=MAX_BATCH_SIZE
        )


class _InsertClaims:
    """Inserts claims; returns for each whether it was the first with its ID.

    A single claim is inserted without a bulk write, which would cost more than the insert.
    """

    def __init__(self, shard: Shard) -> None:
        self._claims = shard.db[IDEMPOTENCY_COLLECTION]

    async def __call__(self, rows: Sequence[Document]) -> Sequence[bool]:
        return await (self._one(rows[0]) if len(rows) == 1 else self._many(rows))

    async def _one(self, row: Document) -> Sequence[bool]:
        try:
            await self._claims.insert_one(row)
        except DuplicateKeyError:
            return [False]
        return [True]

    async def _many(self, rows: Sequence[Document]) -> Sequence[bool]:
        return await self._claims.insert_missing(rows)


class _StoreAnswers:
    """Stores answers.

    An answer that is lost with its primary causes a repeat of the operation, which finds its own effects; so
    the caller need not wait for the majority once more.
    """

    def __init__(self, shard: Shard) -> None:
        self._claims = shard.db.get_collection(IDEMPOTENCY_COLLECTION, write_concern=WriteConcern(1))

    async def __call__(self, notes: Sequence[UpdateOne]) -> Sequence[None]:
        await self._claims.bulk_write(notes, ordered=False)
        return [None] * len(notes)


def new_claim_row(claim: IdempotencyClaim, now: datetime, lease_until: datetime) -> dict[str, Any]:
    """Return the row of a claim whose first run begins."""
    return {
        "_id": claim.id,
        "slot": claim.slot,
        "digest": claim.digest,
        "operation": secrets.token_hex(16),
        "time": now,
        "lease_until": lease_until,
        "answer": None,
    }


def answered_claim_row(stored: StoredAnswer, slot: int) -> Document:
    """Return the row that a change in `slot` inserts in its transaction.

    Raises ValueError when the caller is in another slot.
    """
    claim, operation = stored.claim, stored.operation
    if claim.slot != slot:
        raise ValueError(f"{claim.rpc} changes slot {slot}, and its caller is in {claim.slot}")
    row = new_claim_row(claim, operation.started_at, operation.started_at)
    return row | {"operation": operation.id, "answer": stored.answer}


def answer_of_row(row: Document, claim: IdempotencyClaim) -> bytes | None:
    """Return the answer that a stored claim holds, if any. Raises IDEMPOTENCY_KEY_REUSED."""
    if row["digest"] != claim.digest:
        raise DomainError(
            "IDEMPOTENCY_KEY_REUSED", "This idempotency key was used for a different request before."
        )
    return None if row["answer"] is None else bytes(row["answer"])


def stored_answer(
    row: dict[str, Any], claim: IdempotencyClaim, now: datetime, longest: datetime
) -> bytes | None:
    """Return the answer that a stored claim holds; None when its run was cut off and may be repeated.

    `longest` is when a lease that begins now would end. A lease that ends well after it was given by a clock
    that is ahead, and is not waited for. Should that run still be at work, both do the same operation.

    Raises DomainError IDEMPOTENCY_KEY_REUSED or OPERATION_IN_PROGRESS.
    """
    if (answer := answer_of_row(row, claim)) is not None:
        return answer
    if now < row["lease_until"] <= longest + MAX_CLOCK_SKEW:
        raise operation_in_progress(now, row["lease_until"])
    return None


def operation_in_progress(now: datetime, lease_until: datetime) -> DomainError:
    """Return OPERATION_IN_PROGRESS: another run has the lease; the caller may retry when it ends."""
    return DomainError(
        "OPERATION_IN_PROGRESS",
        "A request with this idempotency key is being worked on.",
        retry_after_s=max(0.1, (lease_until - now).total_seconds()),
    )
