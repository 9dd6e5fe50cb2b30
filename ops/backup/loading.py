"""Loads the files of a backup into shards, each document on the shard of its slot."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.write_concern import WriteConcern

from chassis.concurrency.bounded_gather import run_for_each
from chassis.sharding.slot_map import SlotMap, to_slot_ranges
from ops.backup.bson_files import RAW_CODEC, read_batches
from ops.backup.manifest import BackupFile, Manifest
from ops.backup.namespaces import parse_namespace
from ops.errors import OpsError
from ops.migration.batch import Namespace, slots_query
from ops.provision import AdminClient

MAX_BATCH_DOCUMENTS: Final = 1_000
MAX_BATCH_BYTES: Final = 8_000_000
MAX_CONCURRENT_FILES: Final = 4
_WRITE_CONCERN: Final = WriteConcern("majority")

ReportDocuments = Callable[[int], None]
Batch = list[RawBSONDocument]


class Loader:
    """Loads a backup in `folder` into the shards of a slot map."""

    def __init__(self, shards: Mapping[str, AdminClient], slot_map: SlotMap, folder: Path) -> None:
        self._shards = shards
        self._slot_map = slot_map
        self._folder = folder

    async def load_documents(self, manifest: Manifest, report: ReportDocuments) -> None:
        """Insert the copied documents into empty collections."""
        files = [item for shard in manifest.shards.values() for item in shard.collections.items()]

        async def load(item: tuple[str, BackupFile]) -> None:
            name, file = item
            await self._for_batches(file, partial(self._insert, parse_namespace(name)), report)

        await run_for_each(files, load, max_concurrent=MAX_CONCURRENT_FILES)

    async def load_changes(self, manifest: Manifest, report: ReportDocuments) -> None:
        """Apply what changed during the copy, in order, and insert the events again that had been sent."""
        source = SlotMap.from_document(manifest.slot_map)
        for name, shard in manifest.shards.items():
            removable = slots_query(to_slot_ranges(source.slots_of(name)))
            for file in (shard.changes, shard.events):
                await self._for_batches(file, partial(self._apply, removable), report)

    async def _for_batches(
        self, file: BackupFile, load: Callable[[Batch], Awaitable[None]], report: ReportDocuments
    ) -> None:
        batches = read_batches(
            self._folder / file.path, max_documents=MAX_BATCH_DOCUMENTS, max_bytes=MAX_BATCH_BYTES
        )
        while batch := await asyncio.to_thread(_next_batch, batches):
            await load(batch)
            report(len(batch))

    async def _insert(self, namespace: Namespace, batch: Batch) -> None:
        by_shard: dict[str, Batch] = defaultdict(list)
        for document in batch:
            by_shard[self._shard_of(namespace, document)].append(document)
        await asyncio.gather(
            *(
                self._collection(shard, namespace).insert_many(documents, ordered=False)
                for shard, documents in by_shard.items()
            )
        )

    async def _apply(self, removable: Mapping[str, Any], batch: Batch) -> None:
        writes: dict[tuple[str, Namespace], list[Any]] = defaultdict(list)
        for entry in batch:
            namespace = parse_namespace(entry["ns"])
            if "doc" in entry:
                document = entry["doc"]
                replacing = ReplaceOne({"_id": document["_id"]}, document, upsert=True)
                writes[self._shard_of(namespace, document), namespace].append(replacing)
            else:
                # Only its own shard knew its slot.
                removing = DeleteOne({"_id": entry["removed"], **removable})
                for shard in self._shards:
                    writes[shard, namespace].append(removing)
        await asyncio.gather(*(self._write(*place, some) for place, some in writes.items()))

    async def _write(self, shard: str, namespace: Namespace, writes: Sequence[Any]) -> None:
        await self._collection(shard, namespace).bulk_write(writes, ordered=True)

    def _shard_of(self, namespace: Namespace, document: RawBSONDocument) -> str:
        slot: Any = document.get("slot")
        try:
            return self._slot_map.shard_name(int(slot))
        except (TypeError, ValueError):
            raise OpsError(
                f"a document of {namespace} in the backup has no slot, but {slot!r}: {document['_id']!r}"
            ) from None

    def _collection(self, shard: str, namespace: Namespace) -> AsyncCollection[Any]:
        return self._shards[shard][namespace.database].get_collection(
            namespace.collection, codec_options=RAW_CODEC, write_concern=_WRITE_CONCERN
        )


def _next_batch(batches: Iterator[Batch]) -> Batch:
    return next(batches, [])
