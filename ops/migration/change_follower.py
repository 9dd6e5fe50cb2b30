"""Follows the changes on the source while slots move: each changed document is copied to the target."""

import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure

from chassis.messaging.relay import RESUME_POINT_LOST
from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from ops.migration.batch import CopyPage, CopyProgress, Document, MigrationBatch, Namespace, slots_query
from ops.migration.lock import MIGRATION_COLLECTION

MAX_CHANGES_PER_PAGE: Final = 500
MAX_AWAIT_MS: Final = 50
_MARKER: Final = {"_id": "marker"}


class ResumePointLostError(Exception):
    """The source's oplog does not reach back to the begin of the copy any more."""


class ChangeFollower:
    """A stream of changes, applied in rounds; `session` reads states at least as new as they are."""

    def __init__(
        self,
        batch: MigrationBatch,
        stream: AsyncChangeStream[Document],
        session: AsyncClientSession,
        progress: CopyProgress,
    ) -> None:
        self._batch = batch
        self._stream = stream
        self.session = session
        self._progress = progress

    async def apply_changes(self) -> float:
        """Apply all changes that were written before this call; return the seconds that it took.

        A marker is written among the changes: once it is read, all earlier changes are read.

        Raises:
            ResumePointLostError: the source's oplog has lost changes.
        """
        started = time.monotonic()
        marker = await self._write_marker()
        changed: dict[Namespace, dict[Any, None]] = {}
        while True:
            with _translate_resume_errors():
                change = await self._stream.try_next()
            if change is None:
                continue
            namespace = Namespace(change["ns"]["db"], change["ns"]["coll"])
            if namespace.collection != MIGRATION_COLLECTION:
                changed.setdefault(namespace, {})[change["documentKey"]["_id"]] = None
            elif change["fullDocument"]["value"] == marker:
                break
            if sum(map(len, changed.values())) >= MAX_CHANGES_PER_PAGE:
                await self._copy_current_state(changed)
                changed = {}
        await self._copy_current_state(changed)
        return time.monotonic() - started

    async def _write_marker(self) -> str:
        value = secrets.token_hex(8)
        marks = self._batch.client(self._batch.source)[CLUSTER_DATABASE][MIGRATION_COLLECTION]
        await marks.replace_one(_MARKER, {"value": value}, upsert=True)
        return value

    async def _copy_current_state(self, changed: dict[Namespace, dict[Any, None]]) -> None:
        """Copy the changed documents that exist, delete the others."""
        self._progress.token = self._stream.resume_token

        async def read() -> CopyPage:
            page = CopyPage()
            for namespace, ids in changed.items():
                query = {"_id": {"$in": list(ids)}} | self._batch.query
                rows = self._batch.source_collection(namespace).find(query, hint="_id_", session=self.session)
                page.upserts[namespace] = await rows.to_list()
                there = {row["_id"] for row in page.upserts[namespace]}
                page.removed_ids[namespace] = [id_ for id_ in ids if id_ not in there]
            return page

        await self._batch.write_page(read, self._progress)


@asynccontextmanager
async def follow_changes(batch: MigrationBatch, progress: CopyProgress) -> AsyncIterator[ChangeFollower]:
    """Follow the changes from the position in the progress. Raises ResumePointLostError."""
    start: dict[str, Any] = (
        {"resume_after": progress.token} if progress.token else {"start_at_operation_time": progress.start}
    )
    client = batch.client(batch.source)
    async with batch.session_after(progress.start) as session:
        with _translate_resume_errors():
            stream = await client.watch(
                _change_pipeline(batch), max_await_time_ms=MAX_AWAIT_MS, session=session, **start
            )
        async with stream:
            yield ChangeFollower(batch, stream, session, progress)


@contextmanager
def _translate_resume_errors() -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        if error.code not in RESUME_POINT_LOST:
            raise
        raise ResumePointLostError from error


def _change_pipeline(batch: MigrationBatch) -> list[Document]:
    """Return the change stream's pipeline; the slots of updates and deletes are looked up later."""
    followed = [each for each in batch.namespaces if not each.is_outbox]
    own = {
        "ns.db": {"$in": sorted({each.database for each in followed})},
        "ns.coll": {"$in": sorted({each.collection for each in followed})},
    }
    mark = {"ns.db": CLUSTER_DATABASE, "ns.coll": MIGRATION_COLLECTION, "documentKey._id": _MARKER["_id"]}
    of_any_slot = own | {"operationType": {"$in": ["update", "delete"]}}
    of_slots = own | {"operationType": {"$in": ["insert", "replace"]}}
    return [
        {"$match": {"$or": [mark, of_any_slot, of_slots | slots_query(batch.spans, "fullDocument.slot")]}},
        {"$project": {"ns": 1, "documentKey": 1, "fullDocument.value": 1}},
    ]
