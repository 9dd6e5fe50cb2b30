"""What people have consented to, in the person's slot: entries are inserted, and never changed.

Every query uses the index `of_purpose`.
"""

from pymongo import ASCENDING, DESCENDING

from chassis.clock import Clock
from chassis.ids import new_id, slot_of
from chassis.mongo.documents import Document, from_document, to_document
from chassis.sharding.collections import ShardDatabase
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import SlotRepository
from chassis.sharding.transactions import Transaction
from services.user.domain.consents import ConsentDecision, ConsentEntry, ConsentPurpose
from services.user.repository.collections import CONSENT_ENTRIES, CONSENTS_OF_PURPOSE_INDEX


class ConsentRepository(SlotRepository):
    """The ledger."""

    def __init__(self, shards: Shards, clock: Clock) -> None:
        super().__init__(shards, resource="consent", metrics_label=CONSENT_ENTRIES.name)
        self._clock = clock

    async def append(self, user_id: str, decision: ConsentDecision) -> ConsentEntry | None:
        """Add the entry of a decision unless the last one says the same; return the entry that is the last.

        Of two decisions at once the later one sees what the other has added: an entry's number is unique.
        Raises what the decision raises.
        """

        async def work(tx: Transaction) -> tuple[ConsentEntry | None]:
            last = await _find_last(tx.db, user_id, decision.purpose)
            now = self._clock.now()
            entry_id = new_id("con", slot_of(user_id), at=now)
            added = decision.entry_after(last, entry_id=entry_id, user_id=user_id, now=now)
            if added is None:
                return (last,)
            # Not at the commit: another decision's entry of the same number has to be seen here.
            await tx.db[CONSENT_ENTRIES.name].insert_one(to_document(added, slot=slot_of(user_id)))
            return (added,)

        return (await self._change_in_transaction(user_id, work))[0]

    async def find_last(self, user_id: str, purpose: ConsentPurpose) -> ConsentEntry | None:
        """Return a person's last entry about a purpose, or None."""
        return await _find_last(self._shards.shard_for(user_id).db, user_id, purpose)

    async def list_of_purpose(
        self, user_id: str, purpose: ConsentPurpose, after: int, limit: int
    ) -> list[ConsentEntry]:
        """Return a person's entries about a purpose, oldest first, those with a number beyond `after`."""
        query = _entries_of(user_id, purpose) | {"number": {"$gt": after}}
        entries = self._shards.shard_for(user_id).db[CONSENT_ENTRIES.name]
        found = entries.find(query, hint=CONSENTS_OF_PURPOSE_INDEX).sort("number", ASCENDING).limit(limit)
        return [from_document(ConsentEntry, each) for each in await found.to_list()]


async def _find_last(database: ShardDatabase, user_id: str, purpose: ConsentPurpose) -> ConsentEntry | None:
    entries = database[CONSENT_ENTRIES.name]
    cursor = entries.find(_entries_of(user_id, purpose), hint=CONSENTS_OF_PURPOSE_INDEX)
    found = await cursor.sort("number", DESCENDING).limit(1).to_list()
    return from_document(ConsentEntry, found[0]) if found else None


def _entries_of(user_id: str, purpose: ConsentPurpose) -> Document:
    return {"slot": slot_of(user_id), "user_id": user_id, "purpose": purpose.value}
