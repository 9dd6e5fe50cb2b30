"""Makes an empty cluster from a backup, with as many shards as it happens to have."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from chassis.mongo import provision as mongo_provision
from chassis.mongo.provision import CollectionSpec
from chassis.sharding import slot_map_store
from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from ops.backup.loading import Loader
from ops.backup.manifest import Manifest, load_manifest, verify_files
from ops.backup.namespaces import SELECTION_TIMEOUT_MS, declared_specs, parse_namespace
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.migration.batch import Namespace
from ops.migration.slot_map_editor import SlotMapEditor, edit_slot_map
from ops.progress import StepProgress, count_in
from ops.provision import AdminClient, open_admin_clients, prepare_stores, provision_collections

RESTORE_COLLECTION: Final = "restores"
LOCK_OWNER: Final = "a restore on"
_RESTORE: Final = {"_id": "restore"}
_NO_INDEXES: Final = ()


def read_backup(folder: Path) -> Manifest:
    """Return the manifest of a backup after reading all its files.

    Raises:
        OpsError: it is incomplete or damaged; the message names each such file.
    """
    manifest = load_manifest(folder)
    verify_files(folder, manifest)
    return manifest


def restore_backup(cluster: Cluster, folder: Path, manifest: Manifest, steps: StepProgress) -> None:
    """Load a verified backup into an empty cluster, whose services do not run. May be repeated.

    Raises:
        OpsError: the cluster is not empty, its services run or do not know a collection, or a shard does not
            answer.
    """
    specs = declared_specs(cluster.services)
    _require_declared(manifest, specs)
    with steps.step("users and collections"):
        prepare_stores(cluster)
        provision_collections(cluster)
    try:
        asyncio.run(_load(cluster, folder, manifest, specs, steps))
        with steps.step("indexes"):
            provision_collections(cluster)
        asyncio.run(_record_end(cluster))
    except PyMongoError as error:
        why = str(error).splitlines()[0][:240]
        raise OpsError(f"the restore ended early: {type(error).__name__}: {why}; run it again") from error


def _require_declared(manifest: Manifest, specs: Mapping[Namespace, CollectionSpec]) -> None:
    unknown = [name for name in manifest.collections if parse_namespace(name) not in specs]
    if unknown:
        raise OpsError(
            f"no service of this cluster declares {', '.join(unknown)}: restore with the version "
            f"{manifest.version}, which made the backup, and update afterwards"
        )


async def _load(
    cluster: Cluster,
    folder: Path,
    manifest: Manifest,
    specs: Mapping[Namespace, CollectionSpec],
    steps: StepProgress,
) -> None:
    async with (
        open_admin_clients(cluster, selection_timeout_ms=SELECTION_TIMEOUT_MS) as clients,
        edit_slot_map(clients, LOCK_OWNER) as editor,
    ):
        if editor.slot_map.moving:
            raise OpsError("slots are on their way between shards: ic shards move --resume")
        shards = {name: clients[name] for name in editor.slot_map.uris}
        await _require_no_processes(shards)
        await _claim_cluster(cluster, shards, manifest, editor, specs)
        with steps.step("empty collections"):
            await _recreate_collections(shards, specs)
        loader = Loader(shards, editor.slot_map, folder)
        with steps.step("documents") as detail:
            await loader.load_documents(manifest, count_in(detail))
        with steps.step("changes during the backup, and its events") as detail:
            await loader.load_changes(manifest, count_in(detail))
        with steps.step("numbers of documents"):
            require_counts(manifest, await _count_documents(shards, manifest))


async def _require_no_processes(shards: Mapping[str, AdminClient]) -> None:
    """Raise OpsError while services use the cluster: they would write among the documents."""
    running = {
        f"{member.service} {member.role}"
        for client in shards.values()
        for member in await slot_map_store.list_lagging_members(client[CLUSTER_DATABASE], 1 << 62)
    }
    if running:
        raise OpsError(
            f"these processes use the cluster: {', '.join(sorted(running))}; stop them first, and wait a "
            "minute if they were killed"
        )


async def _claim_cluster(
    cluster: Cluster,
    shards: Mapping[str, AdminClient],
    manifest: Manifest,
    editor: SlotMapEditor,
    specs: Mapping[Namespace, CollectionSpec],
) -> None:
    """Record the begin of this restore. Raises OpsError when the cluster holds data of anything else."""
    records = _records(shards[editor.first_shard])
    begun = await records.find_one(_RESTORE)
    if begun is None or begun["ended"] is not None:
        await _require_empty(cluster, shards, specs)
    elif begun["backup"] != manifest.id:
        raise OpsError(
            f"the restore of another backup, {begun['backup']} of '{begun['cluster']}', was broken off here: "
            "run that one again, or take a new cluster"
        )
    record = {"backup": manifest.id, "cluster": manifest.cluster, "begun": datetime.now(UTC), "ended": None}
    await records.replace_one(_RESTORE, record, upsert=True)


async def _require_empty(
    cluster: Cluster, shards: Mapping[str, AdminClient], specs: Mapping[Namespace, CollectionSpec]
) -> None:
    for name, client in shards.items():
        for namespace, spec in specs.items():
            if spec.slot_field is None:
                continue
            if await client[namespace.database][namespace.collection].find_one({}, {"_id": 1}) is not None:
                raise OpsError(
                    f"{cluster} is not empty: {namespace} on the shard {name} holds documents. A backup goes "
                    "into an empty cluster only, such as a new one whose services were never started"
                )


async def _recreate_collections(
    shards: Mapping[str, AdminClient], specs: Mapping[Namespace, CollectionSpec]
) -> None:
    """Have all collections empty and without indexes, which are faster to make of all documents at once."""
    for client in shards.values():
        for namespace, spec in specs.items():
            await client[namespace.database].drop_collection(namespace.collection)
            bare = CollectionSpec(spec.name, _NO_INDEXES, spec.shard_key, spec.sharded, spec.slot_field)
            await mongo_provision.create_collections(client, namespace.database, [bare])


async def _count_documents(shards: Mapping[str, AdminClient], manifest: Manifest) -> Counter[str]:
    counts = Counter[str]()
    for name in manifest.count_documents():
        namespace = parse_namespace(name)
        for client in shards.values():
            documents = client[namespace.database][namespace.collection]
            counts[name] += await documents.count_documents({}, hint="_id_")
    return counts


def require_counts(manifest: Manifest, found: Mapping[str, int]) -> None:
    """Raise OpsError for wrong numbers; there may be more events, as those that were sent are there again."""
    wrong = [
        f"{name}: {found[name]:,} documents instead of {count:,}"
        for name, count in manifest.count_documents().items()
        if found[name] < count or (found[name] > count and not parse_namespace(name).is_outbox)
    ]
    if wrong:
        raise OpsError("the restored cluster differs from the backup:\n  " + "\n  ".join(wrong))


async def _record_end(cluster: Cluster) -> None:
    async with (
        open_admin_clients(cluster, selection_timeout_ms=SELECTION_TIMEOUT_MS) as clients,
        edit_slot_map(clients, LOCK_OWNER) as editor,
    ):
        records = _records(clients[editor.first_shard])
        await records.update_one(_RESTORE, {"$set": {"ended": datetime.now(UTC)}})


def _records(client: AdminClient) -> AsyncCollection[dict[str, Any]]:
    return client[CLUSTER_DATABASE].get_collection(RESTORE_COLLECTION, write_concern=WriteConcern("majority"))
