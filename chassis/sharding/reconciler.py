"""Bringing a derived collection into line with its source while both are in use.

Readers see a document as it was or as it should be, nothing in between. Whoever keeps the collection goes on
meanwhile: a document that is newer than what was read of its source is left alone, unless the source, asked
again, knows nothing of it. So a run may be broken off and repeated at will, and writes only what is wrong.
Shards are looked through one after the other: documents that change shards meanwhile may be missed, so a run
during which slots moved has to be repeated.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from chassis.errors import overloaded, unavailable
from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.sharding.collections import ShardCollection
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards

PAGE_SIZE: Final = 200
ReconcileProgress = Callable[[str, int, int], None]
"""Hears of what was looked at: what, how many more, and how many of these were wrong."""

MAX_ATTEMPTS: Final = 8
"""A compare-and-set is lost only to another change of the same document that took effect."""


async def iterate_pages(
    collection: ShardCollection, fields: Document | None = None, *, size: int = PAGE_SIZE
) -> AsyncIterator[list[Document]]:
    """All documents of a collection on one shard, page by page, by `_id_`; `fields` is a projection.

    Each page is a query of its own, so that a run of hours holds nothing open.
    """
    query: Document = {}
    while page := await _find_page(collection, query, fields, size):
        yield page
        query = {"_id": {"$gt": page[-1]["_id"]}}


async def _find_page(
    collection: ShardCollection, query: Document, fields: Document | None, size: int
) -> list[Document]:
    found = collection.find(query, fields, hint="_id_")
    return await found.sort("_id", ASCENDING).limit(size).to_list()


async def find_existing_ids(shards: Shards, collection: str, ids: Collection[str]) -> set[str]:
    """Those of these IDs that the collection has in their own slots, by `_id_`.

    Raises UNAVAILABLE unless all shards answer.
    """

    async def read(shard: Shard, own: list[str]) -> list[str]:
        query = {"_id": {"$in": own}, "slot": {"$in": sorted({slot_of(id_) for id_ in own})}}
        found = shard.db[collection].find(query, {"_id": True}, hint="_id_")
        return [document["_id"] async for document in found]

    answers = await shards.of_each(ids, read)
    if answers.unavailable_ids:
        raise unavailable(f"some of {collection}")
    return set(answers.found)


class DerivedCollectionReconciler:
    """Compares documents of `collection` with what their source says, and mends those that differ.

    A wanted document holds `_id`, `slot` and the `version` of its source. `wanted_now` asks the source of one
    anew, and gives None when there is none. Fields in `stamps` may differ; the stored version may be lower,
    as not every change of a source shows. `unordered` are lists whose order means nothing; what is `optional`
    may as well be missing. Without `write` nothing is changed.
    """

    def __init__(
        self,
        shards: Shards,
        collection: str,
        wanted_now: Callable[[str], Awaitable[Document | None]],
        *,
        stamps: Collection[str] = (),
        unordered: Collection[str] = (),
        optional: Callable[[Document], bool] = lambda wanted: False,
        write: bool,
    ) -> None:
        self._shards = shards
        self._name = collection
        self._wanted_now = wanted_now
        self._not_compared = {"version", *stamps}
        self._unordered = frozenset(unordered)
        self._optional = optional
        self._write = write

    async def mend(self, wanted: Sequence[Document]) -> list[str]:
        """The IDs of those that were not as they should be, and are now."""
        wrong = []
        for shard, own in self._by_shard(wanted):
            stored = await self._stored(shard, own)
            for each in own:
                seen = stored.get(each["_id"])
                if not self._is_right(seen, each) and await self._mend_one(each, seen):
                    wrong.append(each["_id"])
        return wrong

    async def remove(self, documents: Sequence[Document]) -> None:
        """Deletes documents that have no source; they need `_id` and `slot`."""
        for document in documents if self._write else ():
            place = {"_id": document["_id"], "slot": document["slot"]}
            await self._collection(document).delete_one(place, hint="_id_")

    def _is_right(self, seen: Document | None, wanted: Document) -> bool:
        if seen is None:
            return self._optional(wanted)
        return _stored_version(seen) <= _stored_version(wanted) and self._compared(seen) == self._compared(
            wanted
        )

    def _compared(self, document: Document) -> Document:
        return {
            name: _sorted(value) if name in self._unordered else _as_stored(value)
            for name, value in document.items()
            if name not in self._not_compared
        }

    async def _mend_one(self, wanted: Document, seen: Document | None) -> bool:
        """Whether it was wrong, and not only ahead of what was read of its source."""
        for _ in range(MAX_ATTEMPTS):
            if seen is not None and _stored_version(seen) > _stored_version(wanted):
                wanted = await self._wanted_now(wanted["_id"]) or wanted
            if self._is_right(seen, wanted):
                return False
            if not self._write or await self._put(wanted, seen):
                return True
            seen = await self._collection(wanted).find_one(_identity_query(wanted), hint="_id_")
        raise overloaded(f"{wanted['_id']} in {self._name}")

    async def _put(self, wanted: Document, seen: Document | None) -> bool:
        """Stores what is wanted unless somebody has changed what was seen; says whether it did."""
        collection = self._collection(wanted)
        if seen is None:
            try:
                await collection.insert_one(wanted)
            except DuplicateKeyError:
                return False
            return True
        unchanged = _identity_query(wanted) | {"version": seen.get("version")}
        replaced = await collection.replace_one(unchanged, wanted, hint="_id_")
        return bool(replaced.matched_count)

    async def _stored(self, shard: Shard, wanted: Sequence[Document]) -> dict[str, Document]:
        slots = sorted({each["slot"] for each in wanted})
        query = {"_id": {"$in": [each["_id"] for each in wanted]}, "slot": {"$in": slots}}
        found = shard.db[self._name].find(query, hint="_id_")
        return {document["_id"]: document async for document in found}

    def _by_shard(self, wanted: Sequence[Document]) -> list[tuple[Shard, list[Document]]]:
        parts: dict[Shard, list[Document]] = defaultdict(list)
        for each in wanted:
            parts[self._shards.of(each["slot"])].append(each)
        return list(parts.items())

    def _collection(self, document: Document) -> Any:
        return self._shards.of(document["slot"]).db[self._name]


def _sorted(value: Any) -> Any:
    return sorted(value, key=repr) if isinstance(value, list | tuple) else value


def _as_stored(value: Any) -> Any:
    """As Mongo gives it back: it knows no tuples."""
    if isinstance(value, dict):
        return {name: _as_stored(each) for name, each in value.items()}
    return [_as_stored(each) for each in value] if isinstance(value, list | tuple) else value


def _identity_query(document: Document) -> Document:
    return {"_id": document["_id"], "slot": document["slot"]}


def _stored_version(document: Document) -> int:
    version = document.get("version")
    return version if isinstance(version, int) else 0
