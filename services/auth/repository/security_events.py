"""Security events and the heads of their chains, in the user's slot; nothing changes or deletes an event.

Heads are read by `_id`, the events of an account by the index `chain`.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

import msgspec
from pymongo import ASCENDING, DESCENDING

from chassis.aggregates import AggregateChange
from chassis.clock import Clock
from chassis.ids import is_id, new_id, slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.sharding.repository import A, Repository
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import SlotRepository
from chassis.sharding.transactions import Transaction
from services.auth.domain.security_events import (
    BrokenLink,
    ChainHead,
    ChainWalk,
    Performer,
    SecurityEvent,
    SecurityNote,
    extend_chain,
)
from services.auth.performers import current_performer
from services.auth.repository.chain_key import ChainKey
from services.auth.repository.collections import SECURITY_CHAINS_COLLECTION, SECURITY_EVENTS_COLLECTION

_EVENTS: Final = SECURITY_EVENTS_COLLECTION.name
_CHAINS: Final = SECURITY_CHAINS_COLLECTION.name
_CHAIN_INDEX: Final = "chain"

E = TypeVar("E")


class SecurityEventRepository(SlotRepository):
    """Appends to accounts' chains, reads and verifies them.

    Two appends to one chain at once conflict at its head, and one of them is repeated: there is one chain.
    """

    def __init__(self, shards: Shards, seal_key: ChainKey, clock: Clock) -> None:
        super().__init__(shards, resource="record of the account", metrics_label=_EVENTS)
        self._seal_key = seal_key
        self._clock = clock

    async def append(
        self, tx: Transaction, user_id: str, notes: Sequence[SecurityNote], performer: Performer
    ) -> None:
        """Append notes to an account's chain in the transaction of what they tell of."""
        if not notes:
            return
        slot, now, seal_key = slot_of(user_id), self._clock.now(), await self._seal_key.get()
        chains = tx.db[_CHAINS]
        found = await chains.find_one({"_id": user_id}, hint="_id_")
        head = from_document(ChainHead, found) if found else ChainHead(user_id)
        named = [(new_id("sev", slot, at=now), note) for note in notes]
        events, after = extend_chain(head, named, performer, now, seal_key)
        if not events:
            return
        if found:
            await chains.replace_one({"_id": user_id}, to_document(after, slot=slot), hint="_id_")
        else:
            await chains.insert_one(to_document(after, slot=slot))
        for event in events:
            tx.insert_at_commit(_EVENTS, to_document(event, slot=slot))

    async def record(self, user_id: str, note: SecurityNote, performer: Performer) -> None:
        """Append a note that belongs to no change."""

        async def work(tx: Transaction) -> None:
            await self.append(tx, user_id, (note,), performer)

        await self._change_in_transaction(user_id, work)

    async def list_events(self, user_id: str, *, below: int | None, limit: int) -> list[SecurityEvent]:
        """Return at most `limit` events of an account, the newest first, those with a number `below` one."""
        query = _events_of(user_id) | ({} if below is None else {"number": {"$lt": below}})
        events = self._shards.shard_for(user_id).db[_EVENTS]
        cursor = events.find(query, hint=_CHAIN_INDEX).sort("number", DESCENDING).limit(limit)
        return [from_document(SecurityEvent, document) for document in await cursor.to_list()]

    async def verify_chain(self, user_id: str) -> BrokenLink | None:
        """Return the first broken link of an account's chain, at one moment; None when all hold."""
        if not is_id("usr", user_id):
            return BrokenLink(user_id, 0, "belongs to no account")

        seal_key = await self._seal_key.get()

        async def work(tx: Transaction) -> tuple[BrokenLink | None]:
            walk = ChainWalk(user_id, seal_key)
            cursor = tx.db[_EVENTS].find(_events_of(user_id), hint=_CHAIN_INDEX).sort("number", ASCENDING)
            async for document in cursor:
                event = _read(SecurityEvent, document)
                broken = walk.check_next(event) if event else walk.unreadable()
                if broken is not None:
                    return (broken,)
            found = await tx.db[_CHAINS].find_one({"_id": user_id}, hint="_id_")
            head = _read(ChainHead, found) if found else None
            return (walk.unreadable() if found and head is None else walk.check_end(head),)

        return (await self._change_in_transaction(user_id, work))[0]

    async def iterate_chained_users(self) -> AsyncIterator[str]:
        """Yield the IDs of all accounts with a head, or with events, of a chain, shard by shard."""
        for shard in self._shards.all_shards():
            last = ""
            async for head in shard.db[_CHAINS].find({}, {"_id": 1}, hint="_id_"):
                yield str(head["_id"])
            events = shard.db[_EVENTS].find({}, {"user_id": 1, "_id": 0}, hint=_CHAIN_INDEX)
            async for event in events.sort("user_id", ASCENDING):
                user_id = str(event["user_id"])
                if user_id != last and not await shard.db[_CHAINS].find_one({"_id": user_id}, hint="_id_"):
                    yield user_id
                last = user_id


class RecordedRepository(Repository[A]):
    """Aggregates whose changes are recorded in their account's chain, in the same transaction.

    Without a chain, as where data is seeded, nothing is recorded.
    """

    _chain: SecurityEventRepository | None = None

    def _notes_on(self, before: A | None, after: A | None) -> tuple[SecurityNote, ...]:
        """Return what a change has to say."""
        raise NotImplementedError

    async def _store(self, id_: str, before: A | None, change: AggregateChange[A]) -> bool:
        notes = self._notes_on(before, change.aggregate)
        if not notes or self._chain is None:
            return await super()._store(id_, before, change)
        user_id = self._user_id_of(id_, before)
        performer = current_performer(user_id)

        async def work(tx: Transaction) -> bool:
            if not await self._apply(tx, id_, before, change):
                return False
            await self._record(tx, user_id, notes, performer)
            return True

        return bool(await self._run_in_transaction(id_, work))

    async def _record(
        self, tx: Transaction, user_id: str, notes: Sequence[SecurityNote], performer: Performer
    ) -> None:
        if self._chain is not None:
            await self._chain.append(tx, user_id, notes, performer)

    def _user_id_of(self, id_: str, before: A | None) -> str:
        """Return the account whose chain it is."""
        return id_


def _read(kind: type[E], document: Document) -> E | None:
    """Return a stored link; None for one that somebody has made unreadable."""
    try:
        return from_document(kind, document)
    except (msgspec.ValidationError, TypeError, ValueError):
        return None


def _events_of(user_id: str) -> Document:
    return {"slot": slot_of(user_id), "user_id": user_id}
