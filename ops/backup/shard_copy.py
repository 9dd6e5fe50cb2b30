"""The copy of one shard: its documents, the changes during the copy, and its state at one time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import bson
from bson.timestamp import Timestamp
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import AutoReconnect, OperationFailure
from pymongo.read_concern import ReadConcern

from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.sharding.collections import SECONDARY_PREFERRED
from ops.backup.bson_files import RAW_CODEC, BsonFileWriter
from ops.backup.change_log import ChangeLog, open_change_log
from ops.backup.manifest import BackupFile, ShardBackup
from ops.backup.namespaces import ShardSource
from ops.errors import OpsError
from ops.migration.batch import Namespace

T = TypeVar("T")

PAGE_SIZE: Final = 2_000
CHANGED_PAGE_SIZE: Final = 500
FOLLOW_INTERVAL_S: Final = 5.0
"""Short enough that the oplog need not reach back to the begin of the copy."""
MAX_LAST_ROUND_S: Final = 5.0
MAX_ROUNDS: Final = 20
CLOCK_TIMEOUT_S: Final = 60.0
CLOCK_POLL_S: Final = 0.1
READ_RETRY: Final = RetryPolicy(0.5, 5.0, max_attempts=20)
"""Long enough for an election."""
SNAPSHOT_TOO_OLD_CODE: Final = 239

ReportDocuments = Callable[[int], None]


class ShardCopy:
    """Writes the files of one shard into its folder of the backup. `report` receives numbers of documents."""

    def __init__(
        self,
        source: ShardSource,
        folder: Path,
        change_log: ChangeLog,
        report: ReportDocuments,
    ) -> None:
        self.name = source.name
        self._client = source.client
        self._namespaces = source.namespaces
        self._folder = folder
        self._log = change_log
        self._report = report
        self._files: dict[str, BackupFile] = {}
        self._followed_at = time.monotonic()
        self._changes = BsonFileWriter(folder, f"{self.name}/changes")

    def close(self) -> None:
        """Close the file of changes."""
        self._changes.__exit__(None, None, None)

    @property
    def events_since(self) -> Timestamp:
        """The time from which on events are recorded."""
        return self._log.events_since

    async def copy_collections(self) -> None:
        """Copy all documents, except waiting events, then changes until few are left."""
        for namespace in self._namespaces:
            if not namespace.is_outbox:
                await self._copy_collection(namespace)
        for _ in range(MAX_ROUNDS):
            started = time.monotonic()
            await self.catch_up()
            if time.monotonic() - started < MAX_LAST_ROUND_S:
                break

    async def catch_up(self) -> None:
        """Copy what changed before this call."""
        await self._log.read_to_mark(self._copy_changed)
        await self._copy_changed(self._log.take_changed())
        self._followed_at = time.monotonic()

    async def current_time(self) -> Timestamp:
        """Return the shard's time: after everything that was copied, before everything that will be."""
        return await self._log.read_to_mark()

    async def finish(self, at: Timestamp) -> ShardBackup:
        """Copy the remaining changes as they are at that time, and the events that wait then.

        Raises:
            OpsError: the shard's clock does not reach that time, or the server keeps no snapshot of it.
        """
        await self._read_until(at)
        try:
            changed = self._log.take_changed()
            for namespace, ids in changed.items():
                await self._write_states_at(namespace, ids, at)
            for namespace in self._namespaces:
                if namespace.is_outbox:
                    await self._copy_at(namespace, at)
        except OperationFailure as error:
            if error.code != SNAPSHOT_TOO_OLD_CODE:
                raise
            raise OpsError(
                f"the shard {self.name} keeps no snapshot for as long as its last changes took to copy: "
                "try again when less is written, or raise minSnapshotHistoryWindowInSeconds"
            ) from error
        counts = await self._count_at(at)
        return ShardBackup(
            server_version=(await self._client.server_info())["version"],
            collections=self._files,
            changes=await asyncio.to_thread(self._changes.finish),
            events=await self._log.finish_events(),
            counts=counts,
        )

    # --- documents -----------------------------------------------------------------------------

    async def _copy_collection(self, namespace: Namespace) -> None:
        with BsonFileWriter(self._folder, f"{self.name}/{namespace}") as writer:
            after: Any = None
            while True:
                page, after = await self._retry(partial(self._read_page, namespace, after))
                if not page:
                    break
                await asyncio.to_thread(writer.write, b"".join(page), len(page))
                self._report(len(page))
                await self._follow_if_due()
            self._files[str(namespace)] = await asyncio.to_thread(writer.finish)

    async def _read_page(self, namespace: Namespace, after: Any) -> tuple[list[bytes], Any]:
        """Return the next documents in the order of `_id`, and the last one's."""
        bound = {} if after is None else {"min": {"_id": after}}
        async with self._log.session_after_start() as session:
            cursor = self._database(namespace, read_preference=SECONDARY_PREFERRED)[
                namespace.collection
            ].find_raw_batches(
                {}, sort=[("_id", 1)], hint=[("_id", 1)], limit=-PAGE_SIZE, session=session, **bound
            )
            data = b"".join([batch async for batch in cursor])
        page = split_documents(data)
        if page and after is not None and _id_of(page[0]) == after:
            # The lower bound of an index scan is included.
            page = page[1:]
        return page, _id_of(page[-1]) if page else after

    async def _follow_if_due(self) -> None:
        if time.monotonic() - self._followed_at > FOLLOW_INTERVAL_S:
            await self.catch_up()

    # --- changes -------------------------------------------------------------------------------

    async def _copy_changed(self, changed: Mapping[Namespace, Sequence[Any]]) -> None:
        """Write the present state of changed documents."""
        for namespace, ids in changed.items():
            for page in _pages_of(ids):
                rows = await self._retry(partial(self._read_by_id, namespace, page))
                await self._write_states(namespace, page, rows)

    async def _read_by_id(self, namespace: Namespace, ids: Sequence[Any]) -> list[Any]:
        async with self._log.session_after_changes() as session:
            rows = self._database(namespace)[namespace.collection].find(
                {"_id": {"$in": list(ids)}}, hint=[("_id", 1)], session=session
            )
            return await rows.to_list()

    async def _write_states_at(self, namespace: Namespace, ids: Sequence[Any], at: Timestamp) -> None:
        for page in _pages_of(ids):
            query = {"_id": {"$in": list(page)}}
            rows = await self._retry(partial(self._find_all_at, namespace, query, at))
            await self._write_states(namespace, page, rows)

    async def _write_states(self, namespace: Namespace, ids: Sequence[Any], rows: Sequence[Any]) -> None:
        found = {row["_id"] for row in rows}
        entries = [bson.encode({"ns": str(namespace), "doc": row}) for row in rows]
        entries += [bson.encode({"ns": str(namespace), "removed": id_}) for id_ in ids if id_ not in found]
        await asyncio.to_thread(self._changes.write, b"".join(entries), len(entries))
        self._report(len(entries))

    # --- the state at one time -----------------------------------------------------------------

    async def _read_until(self, at: Timestamp) -> None:
        """Collect the changes until that time, which the shard's clock has then passed."""
        until = time.monotonic() + CLOCK_TIMEOUT_S
        while await self._log.read_to_mark(until=at) <= at:
            if time.monotonic() > until:
                raise OpsError(
                    f"the clock of the shard {self.name} is more than {CLOCK_TIMEOUT_S:.0f} s behind that of "
                    "another shard: set the clocks of the servers first"
                )
            await asyncio.sleep(CLOCK_POLL_S)

    async def _copy_at(self, namespace: Namespace, at: Timestamp) -> None:
        with BsonFileWriter(self._folder, f"{self.name}/{namespace}") as writer:
            async for row in await self._find_at(namespace, {}, at):
                await asyncio.to_thread(writer.write, row.raw, 1)
                self._report(1)
            self._files[str(namespace)] = await asyncio.to_thread(writer.finish)

    async def _find_at(self, namespace: Namespace, query: Mapping[str, Any], at: Timestamp) -> Any:
        command = {"find": namespace.collection, "filter": query, "hint": {"_id": 1}}
        return await self._database(namespace).cursor_command(command | _at(at), codec_options=RAW_CODEC)

    async def _find_all_at(self, namespace: Namespace, query: Mapping[str, Any], at: Timestamp) -> list[Any]:
        rows: list[Any] = await (await self._find_at(namespace, query, at)).to_list()
        return rows

    async def _count_at(self, at: Timestamp) -> dict[str, int]:
        """Return the numbers of documents; not those that took longer than the server keeps snapshots."""
        counts: dict[str, int] = {}
        for namespace in self._namespaces:
            counting = {
                "aggregate": namespace.collection,
                "pipeline": [{"$group": {"_id": None, "documents": {"$sum": 1}}}],
                "hint": {"_id": 1},
                "cursor": {},
            }
            try:
                cursor = await self._database(namespace).cursor_command(counting | _at(at))
                found = await cursor.to_list()
            except OperationFailure as error:
                if error.code != SNAPSHOT_TOO_OLD_CODE:
                    raise
                break
            counts[str(namespace)] = int(found[0]["documents"]) if found else 0
        return counts

    def _database(self, namespace: Namespace, **options: Any) -> AsyncDatabase[Any]:
        return self._client.get_database(
            namespace.database, codec_options=RAW_CODEC, read_concern=ReadConcern("majority"), **options
        )

    async def _retry(self, read: Callable[[], Any]) -> Any:
        return await retry_call_async(read, READ_RETRY, on=AutoReconnect)


@asynccontextmanager
async def open_shard_copy(
    source: ShardSource,
    folder: Path,
    events_s: float,
    report: ReportDocuments,
) -> AsyncIterator[ShardCopy]:
    """Follow the changes of a shard from now on, and its events since `events_s` seconds ago."""
    async with AsyncExitStack() as closing:
        change_log = await closing.enter_async_context(open_change_log(source, folder, events_s))
        copy = ShardCopy(source, folder, change_log, report)
        closing.callback(copy.close)
        yield copy


def split_documents(data: bytes) -> list[bytes]:
    """Return the documents of a batch, of which each begins with its length."""
    found, begin = [], 0
    while begin < len(data):
        end = begin + int.from_bytes(data[begin : begin + 4], "little")
        found.append(data[begin:end])
        begin = end
    return found


def _id_of(document: bytes) -> Any:
    return bson.decode(document, RAW_CODEC)["_id"]


def _pages_of(ids: Sequence[Any]) -> list[Sequence[Any]]:
    return [ids[begin : begin + CHANGED_PAGE_SIZE] for begin in range(0, len(ids), CHANGED_PAGE_SIZE)]


def _at(time_: Timestamp) -> dict[str, Any]:
    return {"readConcern": {"level": "snapshot", "atClusterTime": time_}}
