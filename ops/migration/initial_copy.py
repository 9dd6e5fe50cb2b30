"""The initial copy of documents and of waiting events, and the clearing of an interrupted one."""

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
"""Short enough that the source's oplog need not reach back to the begin of the copy."""


class InitialCopy:
    """The initial copy; changes of documents that are copied already are followed during it."""

    def __init__(self, batch: MigrationBatch, progress: CopyProgress, follower: ChangeFollower) -> None:
        self._batch = batch
        self._progress = progress
        self._follower = follower
        self._followed_at = time.monotonic()
        self._page_size = 0

    async def copy_collections(self, report: Callable[[], None]) -> None:
        """Copy the remaining documents; pause half of the time for the shards' other clients."""
        for namespace in self._batch.namespaces:
            if not namespace.is_outbox and str(namespace) not in self._progress.done:
                await self._copy_collection(namespace, report)

    async def _copy_collection(self, namespace: Namespace, report: Callable[[], None]) -> None:
        progress = self._progress
        if progress.current != str(namespace):
            progress.current, progress.last_id = str(namespace), None
        left = True
        while left:
            started = time.monotonic()
            read = partial(self._read_next_page, namespace, progress.last_id, progress.copied)
            await self._batch.write_page(read, progress)
            left = self._page_size > 0
            report()
            await asyncio.sleep(time.monotonic() - started)
            await self._follow_if_due()
        progress.done.append(str(namespace))

    async def _read_next_page(self, namespace: Namespace, after: Any, copied: int) -> CopyPage:
        rows = await _read_page(self._batch, namespace, after, self._follower.session)
        self._page_size = len(rows)
        self._progress.last_id = rows[-1]["_id"] if rows else after
        self._progress.copied = copied + len(rows)
        return CopyPage({namespace: rows})

    async def _follow_if_due(self) -> None:
        if time.monotonic() - self._followed_at > FOLLOW_INTERVAL_S:
            await self._follower.apply_changes()
            self._followed_at = time.monotonic()


async def copy_outboxes(batch: MigrationBatch, progress: CopyProgress, session: AsyncClientSession) -> None:
    """Copy the waiting events, in order; both shards' relays may publish them, and consumers drop repeats."""
    for namespace in batch.namespaces:
        after: Any = None
        while namespace.is_outbox and (rows := await _read_page(batch, namespace, after, session)):
            await batch.write_page(partial(_repeat_page, namespace, rows), progress)
            after = rows[-1]["_id"]


async def delete_batch_documents(batch: MigrationBatch, shard: str, report: Callable[[int], None]) -> None:
    """Delete the slots' documents from the source or the target, whichever does not own them."""
    client, removed = batch.client(shard), 0
    for namespace in batch.namespaces:
        collection = client[namespace.database][namespace.collection]
        after: Any = None
        while True:
            started = time.monotonic()
            found = collection.find(
                _query_after(after, batch.query), {"_id": 1}, sort=[("_id", 1)], hint="_id_"
            )
            ids = [row["_id"] for row in await found.limit(PAGE_SIZE).to_list()]
            if not ids:
                break
            after = ids[-1]
            query = {"_id": {"$in": ids}} | batch.query
            await batch.lock.run_in_transaction(shard, partial(_delete_documents, collection, query))
            removed += len(ids)
            report(removed)
            await asyncio.sleep(time.monotonic() - started)


async def _repeat_page(namespace: Namespace, rows: Sequence[RawBSONDocument]) -> CopyPage:
    return CopyPage({namespace: rows})


async def _delete_documents(
    collection: AsyncCollection[Document], query: Document, session: AsyncClientSession
) -> None:
    await collection.delete_many(query, session=session)


async def _read_page(
    batch: MigrationBatch, namespace: Namespace, after: Any, session: AsyncClientSession
) -> Sequence[RawBSONDocument]:
    rows = batch.source_collection(namespace).find(
        _query_after(after, batch.query), sort=[("_id", 1)], hint="_id_", limit=PAGE_SIZE, session=session
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
