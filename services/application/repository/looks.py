"""Looks of companies at applications, in the slot of the application."""

from contextlib import suppress

from pymongo.errors import DuplicateKeyError

from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.sharding.shards import Shards
from chassis.sharding.slot_repository import SlotRepository
from chassis.sharding.transactions import Transaction
from services.application.domain.looks import ApplicationLook
from services.application.mapping import look_message
from services.application.repository.collections import APPLICATION_LOOKS


class ApplicationLookRepository(SlotRepository):
    """Records looks for students' access logs, once for each member, part, application and day."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards, resource="look", metrics_label=APPLICATION_LOOKS, encode_event=look_message)

    async def record(self, look: ApplicationLook) -> None:
        """Store a look with its event, unless one of the same key is stored (index `_id_`).

        A look at an application that nobody is known to have sent is in nobody's access log.
        """
        if not look.student_id:
            return
        identity: Document = {"_id": look.key, "slot": slot_of(look.application_id)}
        looks = self._shards.shard_for(look.application_id).db[APPLICATION_LOOKS]
        if await looks.find_one(identity, {"_id": True}, hint="_id_") is not None:
            return

        async def work(tx: Transaction) -> None:
            tx.insert_at_commit(APPLICATION_LOOKS, identity | {"time": look.time})
            self._emit(tx, look.application_id, [look])

        # Of two at once, the one that finds the other's has nothing to add.
        with suppress(DuplicateKeyError):
            await self._run_in_transaction(look.application_id, work)
