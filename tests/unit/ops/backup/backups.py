"""A small complete backup, written with the code that writes real ones."""

from pathlib import Path
from typing import Any

import bson

from ops.backup.bson_files import BsonFileWriter
from ops.backup.manifest import FORMAT, BackupFile, Manifest, ShardBackup, save_manifest
from ops.cluster import ClusterShard, even_slot_map

PROFILES = "ic_user.profiles"


def write_documents(folder: Path, name: str, documents: list[dict[str, Any]]) -> BackupFile:
    with BsonFileWriter(folder, name) as writer:
        for document in documents:
            writer.write(bson.encode(document), 1)
        return writer.finish()


def write_backup(folder: Path, **changes: Any) -> Manifest:
    """Write a backup of one shard with two profiles; `changes` are fields of its manifest."""
    folder.mkdir(parents=True)
    profiles = [{"_id": f"usr_{number}", "slot": number} for number in range(2)]
    shard = ShardBackup(
        server_version="6.0.5",
        collections={PROFILES: write_documents(folder, f"s1/{PROFILES}", profiles)},
        changes=write_documents(folder, "s1/changes", [{"ns": PROFILES, "removed": "usr_0"}]),
        events=write_documents(folder, "s1/events", []),
        counts={PROFILES: 1},
    )
    fields: dict[str, Any] = {
        "format": FORMAT,
        "id": "0123456789abcdef",
        "cluster": "production",
        "created": "2027-03-01T09:00:00+00:00",
        "version": "1.0.0",
        "time": 1_803_978_000,
        "events_since": 1_803_974_400,
        "slot_map": even_slot_map([ClusterShard("s1", "mongodb://db1:27017/?replicaSet=s1")]).to_document(),
        "shards": {"s1": shard},
    }
    manifest = Manifest(**(fields | changes))
    save_manifest(folder, manifest)
    return manifest
