"""The changes of one shard during its backup: which documents changed, and which events were inserted."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import bson
from bson.timestamp import Timestamp
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from chassis.messaging.relay import RESUME_POINT_LOST
from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from ops.backup.bson_files import BsonFileWriter
from ops.backup.manifest import BackupFile
from ops.backup.namespaces import ShardSource
from ops.errors import OpsError
from ops.migration.batch import Namespace

Changed = Mapping[Namespace, Sequence[Any]]
CopyChanged = Callable[[Changed], Awaitable[None]]

MARK_COLLECTION: Final = "backup_mark"
MAX_CHANGES: Final = 5_000
MAX_AWAIT_MS: Final = 100
_MARK: Final = {"_id": "mark"}
_DATA_CHANGES: Final = ("insert", "update", "replace", "delete")
_STRUCTURE_CHANGES: Final = ("drop", "rename", "dropDatabase")


class ChangeLog:
    """Reads a shard's change stream; the outbox rows among the changes go into the file of events."""

    def __init__(
        self,
        source: ShardSource,
        events: BsonFileWriter,
        *,
        start: Timestamp,
        events_since: Timestamp,
        stream: AsyncChangeStream[dict[str, Any]],
    ) -> None:
        self.events_since = events_since
        self._shard = source.name
        self._client = source.client
        self._namespaces = frozenset(source.namespaces)
        self._events = events
        self._start = start
        self._read_to = start
        self._stream = stream
        self._changed: dict[Namespace, dict[Any, None]] = {}

    async def read_to_mark(
        self, copy_changed: CopyChanged | None = None, *, until: Timestamp | None = None
    ) -> Timestamp:
        """Read all changes before this call; return the time of a mark that it writes behind them.

        Changes after `until` are left out. When there are many, `copy_changed` gets them.

        Raises:
            OpsError: the oplog has lost changes, or a collection was dropped or renamed.
        """
        mark = await self._write_mark()
        while True:
            change = await self._next_change()
            if change is None:
                continue
            namespace = Namespace(change["ns"]["db"], change["ns"].get("coll", ""))
            if namespace == _MARK_NAMESPACE:
                if (change.get("fullDocument") or {}).get("value") == mark:
                    return self._read_to
            elif until is None or change["clusterTime"] <= until:
                await self._note(namespace, change)
            if copy_changed is not None and sum(map(len, self._changed.values())) >= MAX_CHANGES:
                await copy_changed(self.take_changed())

    def take_changed(self) -> Changed:
        """Return the IDs of the documents that have changed since the last call."""
        taken, self._changed = self._changed, {}
        return {namespace: list(ids) for namespace, ids in taken.items()}

    async def finish_events(self) -> BackupFile:
        """End the file of events."""
        return await asyncio.to_thread(self._events.finish)

    def session_after_start(self) -> Any:
        """Open a session that reads the shard as of the begin of the log or later."""
        return self._session_after(self._start)

    def session_after_changes(self) -> Any:
        """Open a session that reads the changes that the log has read, or later ones."""
        return self._session_after(self._read_to)

    @asynccontextmanager
    async def _session_after(self, time: Timestamp) -> AsyncIterator[AsyncClientSession]:
        async with self._client.start_session(causal_consistency=True) as session:
            session.advance_operation_time(time)
            yield session

    async def _write_mark(self) -> str:
        value = secrets.token_hex(8)
        marks = self._client[CLUSTER_DATABASE].get_collection(
            MARK_COLLECTION, write_concern=WriteConcern("majority")
        )
        await marks.replace_one(_MARK, {"value": value}, upsert=True)
        return value

    async def _next_change(self) -> dict[str, Any] | None:
        try:
            change = await self._stream.try_next()
        except OperationFailure as error:
            if error.code not in RESUME_POINT_LOST:
                raise
            raise OpsError(
                f"the oplog of the shard {self._shard} is too short for this backup: enlarge it "
                "(replSetResizeOplog), or take the backup when less is written"
            ) from error
        if change is not None:
            self._read_to = change["clusterTime"]
        return change

    async def _note(self, namespace: Namespace, change: Mapping[str, Any]) -> None:
        if namespace not in self._namespaces and namespace.collection:
            return
        if change["operationType"] in _STRUCTURE_CHANGES:
            raise OpsError(
                f"{namespace} was dropped or renamed on the shard {self._shard} during the backup: "
                "take it again"
            )
        if namespace.is_outbox:
            if change["operationType"] == "insert":
                entry = bson.encode({"ns": str(namespace), "doc": change["fullDocument"]})
                await asyncio.to_thread(self._events.write, entry, 1)
        elif change["clusterTime"] >= self._start:
            self._changed.setdefault(namespace, {})[change["documentKey"]["_id"]] = None


_MARK_NAMESPACE: Final = Namespace(CLUSTER_DATABASE, MARK_COLLECTION)


@asynccontextmanager
async def open_change_log(source: ShardSource, folder: Path, events_s: float) -> AsyncIterator[ChangeLog]:
    """Follow a shard's changes from now on, and its events of the last `events_s` seconds, if the oplog has
    them.
    """
    start: Timestamp = (await source.client.admin.command("ping"))["operationTime"]
    since, stream = await _open_stream(source, start, events_s)
    with BsonFileWriter(folder, f"{source.name}/events") as events:
        async with stream:
            yield ChangeLog(source, events, start=start, events_since=since, stream=stream)


async def _open_stream(
    source: ShardSource, start: Timestamp, events_s: float
) -> tuple[Timestamp, AsyncChangeStream[dict[str, Any]]]:
    """Return the stream, and the earliest time within `events_s` that the oplog reaches back to."""
    seconds = int(events_s)
    while True:
        since = Timestamp(start.time - seconds, 0) if seconds else start
        try:
            stream = await source.client.watch(
                _pipeline(source.namespaces, start),
                start_at_operation_time=since,
                max_await_time_ms=MAX_AWAIT_MS,
            )
        except OperationFailure as error:
            if error.code not in RESUME_POINT_LOST or not seconds:
                raise
            seconds //= 2
        else:
            return since, stream


def _pipeline(namespaces: Sequence[Namespace], start: Timestamp) -> list[dict[str, Any]]:
    databases = sorted({each.database for each in namespaces})
    outboxes = sorted({each.collection for each in namespaces if each.is_outbox})
    others = sorted({each.collection for each in namespaces if not each.is_outbox})
    events = {"ns.db": {"$in": databases}, "ns.coll": {"$in": outboxes}, "operationType": "insert"}
    own = {"ns.db": {"$in": databases}, "clusterTime": {"$gte": start}}
    changes = own | {"ns.coll": {"$in": others}, "operationType": {"$in": list(_DATA_CHANGES)}}
    structure = own | {"operationType": {"$in": list(_STRUCTURE_CHANGES)}}
    mark = {"ns.db": CLUSTER_DATABASE, "ns.coll": MARK_COLLECTION}
    with_content = {"$in": ["$ns.coll", [*outboxes, MARK_COLLECTION]]}
    return [
        {"$match": {"$or": [events, changes, structure, mark]}},
        {
            "$project": {
                "ns": 1,
                "documentKey": 1,
                "operationType": 1,
                "clusterTime": 1,
                "fullDocument": {"$cond": [with_content, "$fullDocument", "$$REMOVE"]},
            }
        },
    ]
