"""Idempotency keys: the same request gets the first answer again, for a day.

A claim is a row in the collection `idempotency` on the caller's shard, put there before the work begins. It
keeps the operation's ID and time over all runs, so that a run that was cut off is run again as the same
operation, and the answer once there is one. A TTL index on `time` forgets claims after 24 hours.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.write_concern import WriteConcern

from chassis.caller import Operation
from chassis.clock import SKEW, Clock
from chassis.coalescing import Coalescer
from chassis.errors import DomainError
from chassis.ids import slot_of, slot_of_key
from chassis.mongo.documents import Document
from chassis.mongo.shards import Shard, Shards
from chassis.mongo.transactions import DUPLICATE_KEY

COLLECTION: Final = "idempotency"
AT_ONCE: Final = 1
"""Batches of claims, and of answers, under way on one shard."""
MOST_TOGETHER: Final = 64


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants what done once: `digest` is the hash of the request, `owner` the caller's ID."""

    owner: str
    rpc: str
    key: str
    digest: bytes

    @property
    def id(self) -> str:
        """What is unique: one key of one caller for one RPC."""
        return f"{self.owner}:{self.rpc}:{self.key}"

    @property
    def slot(self) -> int:
        """Where the caller lives, and the claim with them."""
        try:
            return slot_of(self.owner)
        except ValueError:
            return slot_of_key(self.owner)


class Claims(Protocol):
    """Keeps claims and the answers that came of them."""

    async def begin(self, claim: Claim, lease_s: float) -> Operation | bytes:
        """The operation to run now, or the answer that an earlier run gave.

        For `lease_s` seconds nobody else runs it. Raises DomainError IDEMPOTENCY_KEY_REUSED when the key
        stands for another request, OPERATION_IN_PROGRESS while another run has the lease.
        """
        ...

    async def complete(self, claim: Claim, answer: bytes) -> None:
        """Keeps the answer for those who ask again."""
        ...

    async def release(self, claim: Claim) -> None:
        """Forgets the claim: the work was refused and nothing was done."""
        ...

    async def expire(self, claim: Claim) -> None:
        """Ends the lease: what was done is not known, so the next run repeats this operation."""
        ...


class MongoClaims:
    """Claims on the callers' shards; what comes while others are being written goes with the next of them."""

    def __init__(self, shards: Shards, clock: Clock) -> None:
        self._shards = shards
        self._clock = clock
        self._desks: WeakKeyDictionary[Shard, _Desk] = WeakKeyDictionary()

    async def begin(self, claim: Claim, lease_s: float) -> Operation | bytes:
        now = self._clock.now()
        lease_until = now + timedelta(seconds=lease_s)
        row = new_row(claim, now, lease_until)
        if await self._desk(claim).inserts.ask(row):
            return Operation(row["operation"], now)
        return await self._begin_again(claim, now, lease_until)

    async def complete(self, claim: Claim, answer: bytes) -> None:
        unanswered = {"_id": claim.id, "slot": claim.slot, "answer": None}
        keep = UpdateOne(unanswered, {"$set": {"answer": answer}})
        await self._desk(claim).answers.ask(keep)

    async def release(self, claim: Claim) -> None:
        await self._of(claim).delete_one({"_id": claim.id, "slot": claim.slot, "answer": None})

    async def expire(self, claim: Claim) -> None:
        await self._of(claim).update_one(
            {"_id": claim.id, "slot": claim.slot}, {"$set": {"lease_until": self._clock.now()}}
        )

    async def _begin_again(self, claim: Claim, now: datetime, lease_until: datetime) -> Operation | bytes:
        row = await self._of(claim).find_one({"_id": claim.id, "slot": claim.slot})
        if row is None:
            raise in_progress(now, lease_until)
        if (answer := answer_in(row, claim, now, lease_until)) is not None:
            return answer
        taken = await self._of(claim).update_one(
            {"_id": claim.id, "slot": claim.slot, "answer": None, "lease_until": row["lease_until"]},
            {"$set": {"lease_until": lease_until}},
        )
        if not taken.modified_count:
            raise in_progress(now, lease_until)
        return Operation(row["operation"], row["time"], replay=True)

    def _of(self, claim: Claim) -> Any:
        return self._shards.of(claim.slot).db[COLLECTION]

    def _desk(self, claim: Claim) -> "_Desk":
        shard = self._shards.of(claim.slot)
        desk = self._desks.get(shard)
        if desk is None:
            desk = self._desks[shard] = _Desk(shard)
        return desk


class _Desk:
    """Where claims, and answers, for one shard wait for the batch that takes them there."""

    def __init__(self, shard: Shard) -> None:
        self.inserts: Coalescer[Document, bool] = Coalescer(
            _Inserting(shard), at_once=AT_ONCE, most=MOST_TOGETHER
        )
        self.answers: Coalescer[UpdateOne, None] = Coalescer(
            _Answering(shard), at_once=AT_ONCE, most=MOST_TOGETHER
        )


class _Inserting:
    """Inserts claims; says of each whether there was none with its ID.

    One alone goes without PyMongo's machinery for many, which costs more than the insert.
    """

    def __init__(self, shard: Shard) -> None:
        self._claims = shard.db[COLLECTION]

    async def __call__(self, rows: Sequence[Document]) -> Sequence[bool]:
        return await (self._one(rows[0]) if len(rows) == 1 else self._many(rows))

    async def _one(self, row: Document) -> Sequence[bool]:
        try:
            await self._claims.insert_one(row)
        except DuplicateKeyError:
            return [False]
        return [True]

    async def _many(self, rows: Sequence[Document]) -> Sequence[bool]:
        try:
            await self._claims.insert_many(rows, ordered=False)
        except BulkWriteError as error:
            there = {failed["index"] for failed in error.details["writeErrors"] if _is_duplicate(failed)}
            if error.details["writeConcernErrors"] or len(there) < len(error.details["writeErrors"]):
                raise
            return [position not in there for position in range(len(rows))]
        return [True] * len(rows)


def _is_duplicate(failed: Mapping[str, Any]) -> bool:
    return bool(failed["code"] == DUPLICATE_KEY)


class _Answering:
    """Keeps answers.

    A note that is lost with its primary costs a repeat of the operation, which finds its own effects: no
    reason to let the caller wait for the majority once more.
    """

    def __init__(self, shard: Shard) -> None:
        self._claims = shard.db.get_collection(COLLECTION, write_concern=WriteConcern(1))

    async def __call__(self, notes: Sequence[UpdateOne]) -> Sequence[None]:
        await self._claims.bulk_write(notes, ordered=False)
        return [None] * len(notes)


def new_row(claim: Claim, now: datetime, lease_until: datetime) -> dict[str, Any]:
    """A claim as it is stored when its first run begins."""
    return {
        "_id": claim.id,
        "slot": claim.slot,
        "digest": claim.digest,
        "operation": secrets.token_hex(16),
        "time": now,
        "lease_until": lease_until,
        "answer": None,
    }


def answer_in(row: dict[str, Any], claim: Claim, now: datetime, longest: datetime) -> bytes | None:
    """The answer that a stored claim holds; None when its run was cut off and may be repeated.

    A lease that ends well after `longest`, when one would that begins now, was given by a clock ahead:
    nobody is to wait for it. Should that run still be at work, both do the same operation.

    Raises DomainError IDEMPOTENCY_KEY_REUSED or OPERATION_IN_PROGRESS.
    """
    if row["digest"] != claim.digest:
        raise DomainError(
            "IDEMPOTENCY_KEY_REUSED", "This idempotency key was used for a different request before."
        )
    if row["answer"] is not None:
        return bytes(row["answer"])
    if now < row["lease_until"] <= longest + SKEW:
        raise in_progress(now, row["lease_until"])
    return None


def in_progress(now: datetime, lease_until: datetime) -> DomainError:
    """Another run has the lease; it is worth asking again when that has ended."""
    return DomainError(
        "OPERATION_IN_PROGRESS",
        "A request with this idempotency key is being worked on.",
        retry_after_s=max(0.1, (lease_until - now).total_seconds()),
    )
