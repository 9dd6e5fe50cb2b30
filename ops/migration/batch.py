"""The documents of slots that move from one shard to another, and the progress of the move."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import ReplaceOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from chassis.sharding import outbox
from chassis.sharding.collections import DUPLICATE_KEY_CODE
from chassis.sharding.slot_map import SlotRange
from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from ops.errors import OpsError
from ops.migration.lock import MIGRATION_COLLECTION, MigrationLock
from ops.provision import AdminClient

Document = dict[str, Any]

MAX_CONFLICTS: Final = 20
_PROGRESS: Final = {"_id": "progress"}
_RAW_CODEC: Final[CodecOptions[RawBSONDocument]] = CodecOptions(document_class=RawBSONDocument)
"""Documents are copied without being decoded."""


@dataclass(frozen=True, order=True)
class Namespace:
    """A collection of a service's database."""

    database: str
    collection: str

    @property
    def is_outbox(self) -> bool:
        """Whether it holds waiting events: these are copied during the fence, as they are deleted soon."""
        return self.collection == outbox.OUTBOX_COLLECTION

    def __str__(self) -> str:
        return f"{self.database}.{self.collection}"


@dataclass
class CopyProgress:
    """The progress of a copy; stored on the target, in the transactions that advance it.

    Changes are followed from `token`, or from `start` while there is none. `last_id` is the last copied
    document of the collection `current`; collections in `done` are complete.
    """

    start: Timestamp
    token: Mapping[str, Any] | None = None
    done: list[str] = field(default_factory=list)
    current: str = ""
    last_id: Any = None
    copied: int = 0


@dataclass
class CopyPage:
    """Documents to write to the target, and IDs of documents to delete from it."""

    upserts: dict[Namespace, Sequence[RawBSONDocument]] = field(default_factory=dict)
    removed_ids: dict[Namespace, Sequence[Any]] = field(default_factory=dict)


class MigrationBatch:
    """The documents of `spans` in `namespaces`, which move from the shard `source` to the shard `target`."""

    def __init__(
        self,
        clients: Mapping[str, AdminClient],
        source: str,
        target: str,
        *,
        spans: Sequence[SlotRange],
        namespaces: Sequence[Namespace],
        lock: MigrationLock,
    ) -> None:
        self.source = source
        self.target = target
        self.spans = spans
        self.namespaces = namespaces
        self.lock = lock
        self.query = slots_query(spans)
        self._clients = clients

    def client(self, shard: str) -> AdminClient:
        """Return the client of the source or the target."""
        return self._clients[shard]

    def source_collection(self, namespace: Namespace) -> AsyncCollection[RawBSONDocument]:
        """Return a collection of the source, read with majority."""
        database = self._clients[self.source].get_database(
            namespace.database, codec_options=_RAW_CODEC, read_concern=ReadConcern("majority")
        )
        collection: Any = database[namespace.collection]
        return cast(AsyncCollection[RawBSONDocument], collection)

    async def count_documents(self) -> int:
        """Return the number of documents to move."""
        return sum(
            [await self.source_collection(each).count_documents(self.query) for each in self.namespaces]
        )

    async def count_waiting_events(self) -> int:
        """Return the number of the slots' events that wait in the source's outboxes."""
        outboxes = [each for each in self.namespaces if each.is_outbox]
        return sum([await self.source_collection(each).count_documents(self.query) for each in outboxes])

    def is_copied(self, progress: CopyProgress) -> bool:
        """Return whether every collection except the outboxes has been copied once."""
        return all(each.is_outbox or str(each) in progress.done for each in self.namespaces)

    @asynccontextmanager
    async def session_after(self, time: Timestamp) -> AsyncIterator[AsyncClientSession]:
        """Open a session that reads the source as of that time or later, whichever member answers."""
        async with self._clients[self.source].start_session(causal_consistency=True) as session:
            session.advance_operation_time(time)
            yield session

    # --- progress ------------------------------------------------------------------------------

    async def load_progress(self) -> CopyProgress | None:
        """Return the progress of an earlier run, or None."""
        found = await self._progress_collection().find_one(_PROGRESS)
        if found is None:
            return None
        del found["_id"]
        return CopyProgress(**found)

    async def start_progress(self) -> CopyProgress:
        """Record the time from which changes are followed."""
        answer = await self._clients[self.source].admin.command("ping")
        progress = CopyProgress(answer["operationTime"])

        async def note(session: AsyncClientSession) -> None:
            await self._save_progress(progress, session)

        await self.lock.run_in_transaction(self.target, note)
        return progress

    async def delete_progress(self) -> None:
        """Delete the recorded progress."""

        async def drop(session: AsyncClientSession) -> None:
            await self._progress_collection().delete_one(_PROGRESS, session=session)

        await self.lock.run_in_transaction(self.target, drop)

    # --- writing to the target -----------------------------------------------------------------

    async def write_page(self, read: Callable[[], Awaitable[CopyPage]], progress: CopyProgress) -> None:
        """Write the page that `read` returns, together with the progress.

        A document of the target that conflicts in a unique index is an outdated copy: it is deleted, as its
        change will be followed later. Then the page is read again, as the value may also have moved to
        another document during the read.

        Raises:
            OpsError: a document conflicts again and again.
        """
        in_the_way: list[tuple[Namespace, Document]] = []
        for _ in range(MAX_CONFLICTS):
            page = await read()
            try:
                return await self.lock.run_in_transaction(
                    self.target, partial(self._write, page, in_the_way, progress)
                )
            except _UniqueIndexConflictError as conflict:
                in_the_way += conflict.found
        named = ", ".join(f"{namespace} {query}" for namespace, query in in_the_way[-3:])
        raise OpsError(f"{self.target} has documents that are in the way of unique indexes: {named}")

    async def _write(
        self,
        page: CopyPage,
        in_the_way: Sequence[tuple[Namespace, Document]],
        progress: CopyProgress,
        session: AsyncClientSession,
    ) -> None:
        removals = [(each, {"_id": {"$in": list(ids)}}) for each, ids in page.removed_ids.items() if ids]
        for namespace, query in (*in_the_way, *removals):
            await self._target_collection(namespace).delete_many(query | self.query, session=session)
        for namespace, rows in page.upserts.items():
            await self._replace(namespace, rows, session)
        await self._save_progress(progress, session)

    async def _replace(
        self, namespace: Namespace, rows: Sequence[RawBSONDocument], session: AsyncClientSession
    ) -> None:
        writes: list[Any] = [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows]
        if not writes:
            return
        try:
            await self._target_collection(namespace).bulk_write(writes, session=session)
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            if not all(each["code"] == DUPLICATE_KEY_CODE and each.get("keyValue") for each in failed):
                raise
            raise _UniqueIndexConflictError(
                [(namespace, dict(each["keyValue"])) for each in failed]
            ) from error

    async def _save_progress(self, progress: CopyProgress, session: AsyncClientSession) -> None:
        document = _PROGRESS | vars(progress)
        await self._progress_collection().replace_one(_PROGRESS, document, upsert=True, session=session)

    def _target_collection(self, namespace: Namespace) -> AsyncCollection[Document]:
        return self._clients[self.target][namespace.database][namespace.collection]

    def _progress_collection(self) -> AsyncCollection[Document]:
        return self._clients[self.target][CLUSTER_DATABASE][MIGRATION_COLLECTION]


class _UniqueIndexConflictError(Exception):
    """Documents of the target conflict in a unique index; the keys that find them."""

    def __init__(self, found: Sequence[tuple[Namespace, Document]]) -> None:
        super().__init__(", ".join(f"{namespace}: {query}" for namespace, query in found))
        self.found = found


def slots_query(spans: Sequence[SlotRange], field_: str = "slot") -> Document:
    """Return the query for documents of these slots."""
    ranges = [{field_: {"$gte": span.first, "$lte": span.last}} for span in spans]
    return ranges[0] if len(ranges) == 1 else {"$or": ranges}
