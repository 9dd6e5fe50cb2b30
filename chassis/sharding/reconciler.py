"""Reconciling a derived collection with its source while both are in use.

Readers see a document as it was or as it should be, nothing in between. The collection's writers go on at the
same time: a document that is newer than the source at its reading is kept, unless the source, read again, has
no such version. So a run may be interrupted and repeated at will, and writes only wrong documents. Shards are
processed one after the other: documents that change shards in between may be missed, so a run during which
slots moved has to be repeated.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.errors import overloaded, unavailable
from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.sharding.collections import ShardCollection
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards

PAGE_SIZE: Final = 200
ReconcileProgress = Callable[[str, int, int], None]
"""Receives progress: the kind, the number of further documents, and how many of these were wrong."""

REPAIR_RETRY_POLICY: Final = RetryPolicy(initial_s=0.005, max_s=0.25, max_attempts=8)
"""A compare-and-set is lost only to another change of the same document that took effect."""


async def iterate_pages(
    collection: ShardCollection, fields: Document | None = None, *, size: int = PAGE_SIZE
) -> AsyncIterator[list[Document]]:
    """Yield all documents of a collection on one shard, page by page, by `_id_`; `fields` is a projection.

    Each page is a query of its own, so that a run of hours keeps no cursor open.
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
    """Return those of these IDs that the collection has in their own slots, by `_id_`.

    Raises UNAVAILABLE unless all shards answer.
    """

    async def read(shard: Shard, own: list[str]) -> list[str]:
        query = {"_id": {"$in": own}, "slot": {"$in": sorted({slot_of(id_) for id_ in own})}}
        found = shard.db[collection].find(query, {"_id": True}, hint="_id_")
        return [document["_id"] async for document in found]

    answers = await shards.find_by_ids(ids, read)
    if answers.unavailable_ids:
        raise unavailable(f"some of {collection}")
    return set(answers.items)


class DerivedCollectionReconciler:
    """Compares documents of `collection` with the expected ones, and repairs those that differ.

    An expected document holds `_id`, `slot` and the `version` of its source. `load_expected` reads one from
    the source again, and returns None when there is none. `ignored_fields` may differ; the stored version may
    be lower, as not every change of a source affects the document. `unordered_fields` are lists without an
    order; a document that `is_optional` may be missing. Without `apply` no document is changed.
    """

    def __init__(
        self,
        shards: Shards,
        collection: str,
        load_expected: Callable[[str], Awaitable[Document | None]],
        *,
        ignored_fields: Collection[str] = (),
        unordered_fields: Collection[str] = (),
        is_optional: Callable[[Document], bool] = lambda wanted: False,
        apply: bool,
    ) -> None:
        self._shards = shards
        self._name = collection
        self._load_expected = load_expected
        self._not_compared = {"version", *ignored_fields}
        self._unordered = frozenset(unordered_fields)
        self._is_optional = is_optional
        self._apply = apply

    async def reconcile(self, expected: Sequence[Document]) -> list[str]:
        """Repair the documents that are wrong, and return their IDs; without `apply` none is changed."""
        wrong = []
        for shard, own in self._by_shard(expected):
            stored = await self._stored(shard, own)
            for each in own:
                seen = stored.get(each["_id"])
                if not self._matches(seen, each) and await self._reconcile_one(each, seen):
                    wrong.append(each["_id"])
        return wrong

    async def delete_orphaned(self, documents: Sequence[Document]) -> None:
        """Delete documents that have no source; they need `_id` and `slot`."""
        for document in documents if self._apply else ():
            place = {"_id": document["_id"], "slot": document["slot"]}
            await self._collection(document).delete_one(place, hint="_id_")

    def _matches(self, stored: Document | None, expected: Document) -> bool:
        if stored is None:
            return self._is_optional(expected)
        return _stored_version(stored) <= _stored_version(expected) and self._compared(
            stored
        ) == self._compared(expected)

    def _compared(self, document: Document) -> Document:
        return {
            name: _sorted(value) if name in self._unordered else _as_stored(value)
            for name, value in document.items()
            if name not in self._not_compared
        }

    async def _reconcile_one(self, expected: Document, stored: Document | None) -> bool:
        """Return whether the document was wrong, and not only newer than the source was when it was read."""

        async def attempt() -> bool:
            nonlocal expected, stored
            if stored is not None and _stored_version(stored) > _stored_version(expected):
                expected = await self._load_expected(expected["_id"]) or expected
            if self._matches(stored, expected):
                return False
            if not self._apply or await self._compare_and_set(expected, stored):
                return True
            stored = await self._collection(expected).find_one(_identity_query(expected), hint="_id_")
            raise _RepairLostError

        try:
            return await retry_call_async(attempt, REPAIR_RETRY_POLICY, on=_RepairLostError)
        except _RepairLostError:
            raise overloaded(f"{expected['_id']} in {self._name}") from None

    async def _compare_and_set(self, expected: Document, stored: Document | None) -> bool:
        """Store the expected document unless the stored one has changed; return whether it was stored."""
        collection = self._collection(expected)
        if stored is None:
            try:
                await collection.insert_one(expected)
            except DuplicateKeyError:
                return False
            return True
        unchanged = _identity_query(expected) | {"version": stored.get("version")}
        replaced = await collection.replace_one(unchanged, expected, hint="_id_")
        return bool(replaced.matched_count)

    async def _stored(self, shard: Shard, expected: Sequence[Document]) -> dict[str, Document]:
        slots = sorted({each["slot"] for each in expected})
        query = {"_id": {"$in": [each["_id"] for each in expected]}, "slot": {"$in": slots}}
        found = shard.db[self._name].find(query, hint="_id_")
        return {document["_id"]: document async for document in found}

    def _by_shard(self, expected: Sequence[Document]) -> list[tuple[Shard, list[Document]]]:
        parts: dict[Shard, list[Document]] = defaultdict(list)
        for each in expected:
            parts[self._shards.shard_for(each["slot"])].append(each)
        return list(parts.items())

    def _collection(self, document: Document) -> Any:
        return self._shards.shard_for(document["slot"]).db[self._name]


class _RepairLostError(Exception):
    """The document has changed since it was compared."""


def _sorted(value: Any) -> Any:
    return sorted(value, key=repr) if isinstance(value, list | tuple) else value


def _as_stored(value: Any) -> Any:
    """Return the value as MongoDB returns it: tuples become lists."""
    if isinstance(value, dict):
        return {name: _as_stored(each) for name, each in value.items()}
    return [_as_stored(each) for each in value] if isinstance(value, list | tuple) else value


def _identity_query(document: Document) -> Document:
    return {"_id": document["_id"], "slot": document["slot"]}


def _stored_version(document: Document) -> int:
    version = document.get("version")
    return version if isinstance(version, int) else 0
