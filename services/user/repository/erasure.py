"""The removal of the records under a person: by `_id`, `of_student` and `of_purpose`, page by page."""

from typing import Final

from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.sharding.shards import Shards
from services.user.repository.collections import (
    ACCESSES_OF_STUDENT_INDEX,
    CONSENT_ENTRIES,
    CONSENTS_OF_PURPOSE_INDEX,
    DATA_EXPORTS,
    PROFILE_ACCESSES,
    PROFILES,
    STUDENT_DOCUMENTS,
    STUDENT_SEARCH,
)

MAX_REMOVED_AT_ONCE: Final = 500
_SINGLE: Final = (STUDENT_SEARCH, STUDENT_DOCUMENTS, DATA_EXPORTS, PROFILES)
"""One document each, by the person's ID; the profile last, which names the person's company."""


class PersonRemoval:
    """Removes a person's records; documents that applications hold go with the applications."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def remove(self, user_id: str) -> None:
        """Remove all records of a person; a repeat removes what an earlier run has left."""
        accesses = {"slot": slot_of(user_id), "student_id": user_id}
        await self._remove_pages(user_id, PROFILE_ACCESSES.name, accesses, ACCESSES_OF_STUDENT_INDEX)
        consents = {"slot": slot_of(user_id), "user_id": user_id}
        await self._remove_pages(user_id, CONSENT_ENTRIES.name, consents, CONSENTS_OF_PURPOSE_INDEX)
        database = self._shards.shard_for(user_id).db
        for spec in _SINGLE:
            await database[spec.name].delete_one({"_id": user_id}, hint="_id_")

    async def _remove_pages(self, user_id: str, name: str, query: Document, index: str) -> None:
        collection = self._shards.shard_for(user_id).db[name]
        while True:
            page = await collection.find(query, {"_id": 1}, hint=index).limit(MAX_REMOVED_AT_ONCE).to_list()
            if not page:
                return
            ids = [each["_id"] for each in page]
            await collection.delete_many({"slot": query["slot"], "_id": {"$in": ids}}, hint="_id_")
