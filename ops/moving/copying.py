"""The first copy of documents, that of the events that wait, and the clearing of what is left behind."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from ops.moving.documents import Cargo, Namespace, Progress

PAGE: Final = 500
MOST_BYTES: Final = 8_000_000
"""Of a page: it is written in one transaction."""


async def copy(cargo: Cargo, progress: Progress, tell: Callable[[], None]) -> None:
    """Copies what is not copied yet; leaves half of the time to those who use the shards."""
    async with cargo.session_after(progress.start) as session:
        for namespace in cargo.namespaces:
            if not namespace.is_outbox and str(namespace) not in progress.done:
                await _copy_collection(cargo, namespace, progress, session, tell)


async def copy_outboxes(cargo: Cargo, progress: Progress) -> None:
    """Copies the events that wait, in order: both relays may send them, and they count once."""
    async with cargo.session_after(progress.start) as session:
        for namespace in cargo.namespaces:
            after: Any = None
            while namespace.is_outbox and (page := await _page(cargo, namespace, after, session)):
                after = page[-1]["_id"]
                await cargo.put({namespace: page}, {}, progress)


async def clear(cargo: Cargo, shard: str, tell: Callable[[int], None]) -> None:
    """Removes the slots' documents from the source or the target, whichever does not own them."""
    client, removed = cargo.client(shard), 0
    for namespace in cargo.namespaces:
        collection = client[namespace.database][namespace.collection]
        while rows := await collection.find(cargo.query, {"_id": 1}, limit=PAGE).to_list():
            started = time.monotonic()
            ids = {"_id": {"$in": [row["_id"] for row in rows]}}

            async def delete(
                session: AsyncClientSession, collection: Any = collection, ids: Any = ids
            ) -> None:
                await collection.delete_many(ids | cargo.query, session=session)

            await cargo.claim.under(shard, delete)
            removed += len(rows)
            tell(removed)
            await asyncio.sleep(time.monotonic() - started)


async def _copy_collection(
    cargo: Cargo,
    namespace: Namespace,
    progress: Progress,
    session: AsyncClientSession,
    tell: Callable[[], None],
) -> None:
    if progress.current != str(namespace):
        progress.current, progress.last_id = str(namespace), None
    while True:
        started = time.monotonic()
        page = await _page(cargo, namespace, progress.last_id, session)
        if not page:
            break
        progress.last_id = page[-1]["_id"]
        progress.copied += len(page)
        await cargo.put({namespace: page}, {}, progress)
        tell()
        await asyncio.sleep(time.monotonic() - started)
    progress.done.append(str(namespace))


async def _page(
    cargo: Cargo, namespace: Namespace, after: Any, session: AsyncClientSession
) -> Sequence[RawBSONDocument]:
    query = cargo.query if after is None else {"_id": {"$gt": after}} | cargo.query
    rows = cargo.at_source(namespace).find(query, sort=[("_id", 1)], hint="_id_", limit=PAGE, session=session)
    page: list[RawBSONDocument] = []
    size = 0
    async with rows:
        async for row in rows:
            page.append(row)
            size += len(row.raw)
            if size > MOST_BYTES:
                break
    return page
