"""Students' access logs."""

from datetime import datetime

from pymongo.errors import DuplicateKeyError

from chassis.clock import Clock
from chassis.concurrency.retry import retry_call_async
from chassis.ids import new_id, slot_of
from chassis.mongo.documents import to_document
from chassis.sharding.collections import ShardCollection
from chassis.sharding.inbox import IncomingEvent
from chassis.sharding.repository import Repository
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import UPDATE_RETRY_POLICY
from chassis.sharding.transactions import Transaction
from services.user.domain.accesses import ProfileAccess, ProfileLook, day_of
from services.user.repository.collections import (
    ACCESS_KEY,
    ACCESSES_OF_STUDENT_INDEX,
    ONE_ENTRY_A_DAY_INDEX,
    PROFILE_ACCESSES,
)


class ProfileAccessRepository(Repository[ProfileAccess]):
    """Students' access logs."""

    def __init__(self, shards: Shards, clock: Clock) -> None:
        super().__init__(
            shards,
            PROFILE_ACCESSES,
            ProfileAccess,
            resource="entry of the access log",
            not_found_reason="USER_NOT_FOUND",
            compared_fields=("count",),
        )
        self._clock = clock

    async def record(self, look: ProfileLook) -> None:
        """Add a look to the day's entry, or make it; it is stored afterwards."""
        collection = self._collection(look.student_id)
        now = self._clock.now()
        # Of two that make the day's entry at once, the later one finds it when it tries again.
        await retry_call_async(
            lambda: _add_look(collection, look, now), UPDATE_RETRY_POLICY, on=DuplicateKeyError
        )

    async def record_once(self, look: ProfileLook, handling: IncomingEvent) -> None:
        """Add the look of an incoming event, at the event's time; a repeat of the event adds nothing."""

        async def work(tx: Transaction) -> None:
            await _add_look(tx.db[PROFILE_ACCESSES.name], look, handling.time)

        await self._change_in_transaction(look.student_id, work, handling=handling)

    async def list_of_student(self, student_id: str, after_id: str | None, limit: int) -> list[ProfileAccess]:
        """Return the log's entries, newest first, those after `after_id` (index `of_student`)."""
        return await self.page(
            student_id,
            {"student_id": student_id},
            index=ACCESSES_OF_STUDENT_INDEX,
            after_id=after_id,
            limit=limit,
        )


async def _add_look(collection: ShardCollection, look: ProfileLook, at: datetime) -> None:
    """Add a look to the day's entry, or make it (index `one_entry_a_day`)."""
    slot, day = slot_of(look.student_id), day_of(at)
    entry = ProfileAccess(
        id=new_id("pac", slot, at=at),
        student_id=look.student_id,
        company_id=look.company_id,
        company_name=look.company_name,
        kind=look.kind,
        day=day,
        first_time=at,
        last_time=at,
        application_id=look.application_id,
    )
    new = to_document(entry, slot=slot)
    key = {name: new.pop(name) for name in ACCESS_KEY}
    change = {
        "$inc": {"count": new.pop("count")},
        "$max": {"last_time": new.pop("last_time")},
        "$addToSet": {"roles": look.role.value},
        "$setOnInsert": {name: value for name, value in new.items() if name != "roles"},
    }
    await collection.update_one(key, change, upsert=True, hint=ONE_ENTRY_A_DAY_INDEX)
