"""The first copy of documents, that of the events that wait, and the clearing of what is left behind."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

from ops.moving.documents import Cargo, Document, Namespace, Page, Progress
from ops.moving.following import Following

PAGE: Final = 500
MOST_BYTES: Final = 8_000_000
"""Of a page: it is written in one transaction."""
FOLLOW_EVERY_S: Final = 5.0
"""So that the source's memory of changes need not reach back to the beginning of the copy."""


class Copy:
    """The first copy; what is copied already is followed meanwhile."""

    def __init__(self, cargo: Cargo, progress: Progress, changes: Following) -> None:
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

    async def _next(self, namespace: Namespace, after: Any, copied: int) -> Page:
        rows = await _page(self._cargo, namespace, after, self._changes.session)
        self._page_size = len(rows)
        self._progress.last_id = rows[-1]["_id"] if rows else after
        self._progress.copied = copied + len(rows)
        return Page({namespace: rows})

    async def _keep_up(self) -> None:
        if time.monotonic() - self._followed_at > FOLLOW_EVERY_S:
            await self._changes.round()
            self._followed_at = time.monotonic()


async def copy_outboxes(cargo: Cargo, progress: Progress, session: AsyncClientSession) -> None:
    """Copies the events that wait, in order: both relays may send them, and they count once."""
    for namespace in cargo.namespaces:
        after: Any = None
        while namespace.is_outbox and (rows := await _page(cargo, namespace, after, session)):
            await cargo.put(partial(_again, namespace, rows), progress)
            after = rows[-1]["_id"]


async def clear(cargo: Cargo, shard: str, tell: Callable[[int], None]) -> None:
    """Removes the slots' documents from the source or the target, whichever does not own them."""
    client, removed = cargo.client(shard), 0
    for namespace in cargo.namespaces:
        collection = client[namespace.database][namespace.collection]
        after: Any = None
        while True:
            started = time.monotonic()
            found = collection.find(_after(after, cargo.query), {"_id": 1}, sort=[("_id", 1)], hint="_id_")
            ids = [row["_id"] for row in await found.limit(PAGE).to_list()]
            if not ids:
                break
            after = ids[-1]
            query = {"_id": {"$in": ids}} | cargo.query
            await cargo.claim.under(shard, partial(_delete, collection, query))
            removed += len(ids)
            tell(removed)
            await asyncio.sleep(time.monotonic() - started)


async def _again(namespace: Namespace, rows: Sequence[RawBSONDocument]) -> Page:
    return Page({namespace: rows})


async def _delete(
    collection: AsyncCollection[Document], query: Document, session: AsyncClientSession
) -> None:
    await collection.delete_many(query, session=session)


async def _page(
    cargo: Cargo, namespace: Namespace, after: Any, session: AsyncClientSession
) -> Sequence[RawBSONDocument]:
    rows = cargo.at_source(namespace).find(
        _after(after, cargo.query), sort=[("_id", 1)], hint="_id_", limit=PAGE, session=session
    )
    page: list[RawBSONDocument] = []
    size = 0
    async with rows:
        async for row in rows:
            page.append(row)
            size += len(row.raw)
            if size > MOST_BYTES:
                break
    return page


def _after(id_: Any, query: Document) -> Document:
    return query if id_ is None else {"_id": {"$gt": id_}} | query
