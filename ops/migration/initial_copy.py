"""The first copy of documents, that of the events that wait, and the clearing of what is left behind."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

from ops.migration.batch import CopyPage, CopyProgress, Document, MigrationBatch, Namespace
from ops.migration.change_follower import ChangeFollower

PAGE_SIZE: Final = 500
MAX_PAGE_BYTES: Final = 8_000_000
"""Of a page: it is written in one transaction."""
FOLLOW_INTERVAL_S: Final = 5.0
"""So that the source's memory of changes need not reach back to the beginning of the copy."""


class InitialCopy:
    """The first copy; what is copied already is followed meanwhile."""

    def __init__(self, cargo: MigrationBatch, progress: CopyProgress, changes: ChangeFollower) -> None:
        self._cargo = cargo
        self._progress = progress
        self._changes = changes
        self._followed_at = time.monotonic()
        self._page_size = 0

    async def run(self, tell: Callable[[], None]) -> None:
        """Copies what is not copied yet; leaves half of the time to those who use the shards."""
        for namespace in self._cargo.namespaces:
            if not namespace.is_outbox and str(namespace) not in self._progress.done:
                await self._collection(namespace, tell)

    async def _collection(self, namespace: Namespace, tell: Callable[[], None]) -> None:
        progress = self._progress
        if progress.current != str(namespace):
            progress.current, progress.last_id = str(namespace), None
        left = True
        while left:
            started = time.monotonic()
            read = partial(self._next, namespace, progress.last_id, progress.copied)
            await self._cargo.put(read, progress)
            left = self._page_size > 0
            tell()
            await asyncio.sleep(time.monotonic() - started)
            await self._keep_up()
        progress.done.append(str(namespace))

    async def _next(self, namespace: Namespace, after: Any, copied: int) -> CopyPage:
        rows = await _read_page(self._cargo, namespace, after, self._changes.session)
        self._page_size = len(rows)
        self._progress.last_id = rows[-1]["_id"] if rows else after
        self._progress.copied = copied + len(rows)
        return CopyPage({namespace: rows})

    async def _keep_up(self) -> None:
        if time.monotonic() - self._followed_at > FOLLOW_INTERVAL_S:
            await self._changes.round()
            self._followed_at = time.monotonic()


async def copy_outboxes(cargo: MigrationBatch, progress: CopyProgress, session: AsyncClientSession) -> None:
    """Copies the events that wait, in order: both relays may send them, and they count once."""
    for namespace in cargo.namespaces:
        after: Any = None
        while namespace.is_outbox and (rows := await _read_page(cargo, namespace, after, session)):
            await cargo.put(partial(_repeat_page, namespace, rows), progress)
            after = rows[-1]["_id"]


async def delete_batch_documents(cargo: MigrationBatch, shard: str, tell: Callable[[int], None]) -> None:
    """Removes the slots' documents from the source or the target, whichever does not own them."""
    client, removed = cargo.client(shard), 0
    for namespace in cargo.namespaces:
        collection = client[namespace.database][namespace.collection]
        after: Any = None
        while True:
            started = time.monotonic()
            found = collection.find(
                _query_after(after, cargo.query), {"_id": 1}, sort=[("_id", 1)], hint="_id_"
            )
            ids = [row["_id"] for row in await found.limit(PAGE_SIZE).to_list()]
            if not ids:
                break
            after = ids[-1]
            query = {"_id": {"$in": ids}} | cargo.query
            await cargo.claim.under(shard, partial(_delete_documents, collection, query))
            removed += len(ids)
            tell(removed)
            await asyncio.sleep(time.monotonic() - started)


async def _repeat_page(namespace: Namespace, rows: Sequence[RawBSONDocument]) -> CopyPage:
    return CopyPage({namespace: rows})


async def _delete_documents(
    collection: AsyncCollection[Document], query: Document, session: AsyncClientSession
) -> None:
    await collection.delete_many(query, session=session)


async def _read_page(
    cargo: MigrationBatch, namespace: Namespace, after: Any, session: AsyncClientSession
) -> Sequence[RawBSONDocument]:
    rows = cargo.at_source(namespace).find(
        _query_after(after, cargo.query), sort=[("_id", 1)], hint="_id_", limit=PAGE_SIZE, session=session
    )
    page: list[RawBSONDocument] = []
    size = 0
    async with rows:
        async for row in rows:
            page.append(row)
            size += len(row.raw)
            if size > MAX_PAGE_BYTES:
                break
    return page


def _query_after(id_: Any, query: Document) -> Document:
    return query if id_ is None else {"_id": {"$gt": id_}} | query
