"""People's copies of their own data, those of one person under the person's ID."""

from datetime import datetime
from itertools import chain

from pymongo import ASCENDING

from chassis.mongo.documents import from_document
from chassis.sharding.repository import Repository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from services.user.data_export_mapping import data_export_event_message
from services.user.domain.data_exports import PersonExports
from services.user.repository.collections import DATA_EXPORTS, DUE_EXPORT_INDEX, LIST_TIMEOUT_S


class DataExportRepository(Repository[PersonExports]):
    """Exports: those of one person are one aggregate."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(
            shards,
            DATA_EXPORTS,
            PersonExports,
            resource="data export",
            not_found_reason="DATA_EXPORT_NOT_FOUND",
            encode_event=data_export_event_message,
        )

    async def list_due(self, now: datetime, *, limit: int) -> list[PersonExports]:
        """Return people with an export that is due, the longest due first, on shards that answer."""

        async def on_shard(shard: Shard) -> list[PersonExports]:
            due = shard.db[DATA_EXPORTS.name].find({"due_time": {"$lte": now}}, hint=DUE_EXPORT_INDEX)
            found = await due.sort("due_time", ASCENDING).limit(limit).to_list()
            return [from_document(PersonExports, each) for each in found]

        return list(chain.from_iterable((await self._shards.scatter(on_shard, LIST_TIMEOUT_S)).results))
