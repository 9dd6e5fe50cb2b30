"""The files of a shard give exactly its state at the backup's time, whatever is written during it."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bson.timestamp import Timestamp
from pymongo import AsyncMongoClient

from ops.backup import change_log, shard_copy
from ops.backup.bson_files import read_bson_file
from ops.backup.manifest import ShardBackup
from ops.backup.namespaces import ShardSource
from ops.backup.shard_copy import open_shard_copy
from ops.errors import OpsError
from ops.migration.batch import Namespace
from tests.stack import StackHandle

DOCUMENTS = 3_000
WRITERS = 6
HOUR_S = 3600.0


@dataclass
class BusyShard:
    """A database of the test's own on a shard, and people who write to it."""

    client: AsyncMongoClient[dict[str, Any]]
    documents: Namespace
    outbox: Namespace
    sent: list[str] = field(default_factory=list)
    """Events that were inserted and removed."""

    @property
    def source(self) -> ShardSource:
        return ShardSource("s1", self.client, (self.documents, self.outbox))

    def collection(self, namespace: Namespace) -> Any:
        return self.client[namespace.database][namespace.collection]

    async def fill(self) -> None:
        rows = [{"_id": f"doc_{n:05}", "slot": n % 16_384, "version": 0} for n in range(DOCUMENTS)]
        await self.collection(self.documents).insert_many(rows)

    async def write_for_ever(self, dice: random.Random) -> None:
        documents, outbox = self.collection(self.documents), self.collection(self.outbox)
        async with self.client.start_session() as session:
            while True:
                one, other = (f"doc_{dice.randrange(DOCUMENTS + 500):05}" for _ in range(2))
                event: dict[str, Any] = {"_id": f"evt_{secrets.token_hex(8)}", "slot": 1}

                async def change(each: Any, one: str = one, other: str = other, event: Any = event) -> None:
                    await documents.delete_one({"_id": one}, session=each)
                    await documents.update_one(
                        {"_id": other},
                        {"$inc": {"version": 1}, "$set": {"slot": 1}},
                        upsert=True,
                        session=each,
                    )
                    await outbox.insert_one(dict(event), session=each)

                await session.with_transaction(change)
                await outbox.delete_one({"_id": event["_id"]})
                self.sent.append(event["_id"])


@pytest.fixture
async def busy(stack: StackHandle) -> AsyncIterator[BusyShard]:
    name = f"ic_backup_test_{secrets.token_hex(4)}"
    async with AsyncMongoClient[dict[str, Any]](next(iter(stack.admin_uris().values()))) as client:
        shard = BusyShard(client, Namespace(name, "documents"), Namespace(name, "outbox"))
        await shard.fill()
        writing = [asyncio.create_task(shard.write_for_ever(random.Random(n))) for n in range(WRITERS)]
        yield shard
        for each in writing:
            each.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        await client.drop_database(name)


@pytest.fixture(autouse=True)
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pages and rounds so small that there are many."""
    monkeypatch.setattr(shard_copy, "PAGE_SIZE", 100)
    monkeypatch.setattr(shard_copy, "CHANGED_PAGE_SIZE", 7)
    monkeypatch.setattr(shard_copy, "FOLLOW_INTERVAL_S", 0.02)
    monkeypatch.setattr(change_log, "MAX_CHANGES", 20)


async def test_copied_documents_and_their_changes_are_the_state_at_one_time(
    busy: BusyShard, tmp_path: Path
) -> None:
    async with open_shard_copy(busy.source, tmp_path, HOUR_S, lambda _: None) as copy:
        await copy.copy_collections()
        await copy.catch_up()
        sent_by_then = list(busy.sent)
        at = Timestamp((await copy.current_time()).time + 1, 0)
        files = await copy.finish(at)

    wanted = await state_at(busy, busy.documents, at)
    assert load_documents(tmp_path, files, busy.documents) == wanted
    assert files.counts[str(busy.documents)] == len(wanted)
    assert files.changes.documents > 0
    waiting = set(load_documents(tmp_path, files, busy.outbox))
    assert waiting == set(await state_at(busy, busy.outbox, at))
    events = {entry["doc"]["_id"] for entry in read_bson_file(tmp_path / files.events.path)}
    assert sent_by_then
    assert events | waiting >= set(sent_by_then)


async def test_a_collection_that_is_dropped_during_the_copy_ends_it(busy: BusyShard, tmp_path: Path) -> None:
    async with open_shard_copy(busy.source, tmp_path, HOUR_S, lambda _: None) as copy:
        await busy.client[busy.documents.database].drop_collection(busy.documents.collection)
        with pytest.raises(OpsError, match="was dropped or renamed on the shard s1 during the backup"):
            await copy.copy_collections()


async def state_at(busy: BusyShard, namespace: Namespace, at: Timestamp) -> dict[str, Any]:
    """Return a collection as the server had it at that time."""
    concern = {"level": "snapshot", "atClusterTime": at}
    command = {"find": namespace.collection, "readConcern": concern}
    cursor = await busy.client[namespace.database].cursor_command(command)
    return {row["_id"]: row for row in await cursor.to_list()}


def load_documents(folder: Path, files: ShardBackup, namespace: Namespace) -> dict[str, Any]:
    """Return a collection as a restore makes it."""
    path = folder / files.collections[str(namespace)].path
    found = {row["_id"]: dict(row) for row in read_bson_file(path)}
    for entry in read_bson_file(folder / files.changes.path):
        if entry["ns"] != str(namespace):
            continue
        if "doc" in entry:
            found[entry["doc"]["_id"]] = dict(entry["doc"])
        else:
            found.pop(entry["removed"], None)
    return found
