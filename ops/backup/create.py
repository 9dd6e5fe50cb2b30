"""Takes a backup of all shards at one time, while the cluster serves."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bson.timestamp import Timestamp
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from ops.backup.manifest import FORMAT, Manifest, save_manifest, sync_folder
from ops.backup.namespaces import SELECTION_TIMEOUT_MS, ShardSource, backed_up_namespaces, find_undeclared
from ops.backup.shard_copy import ShardCopy, open_shard_copy
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.migration.slot_map_editor import SlotMapEditor, edit_slot_map
from ops.progress import StepProgress, count_in
from ops.provision import AdminClient, open_admin_clients

LOCK_OWNER: Final = "a backup on"
_FOLDER_MODE: Final = 0o700


def create_backup(
    cluster: Cluster, folder: Path, events_s: float, version: str, steps: StepProgress
) -> Manifest:
    """Write a backup into an empty or new folder; slots cannot be moved during it.

    `events_s` is the number of seconds before it of which sent events are kept, as far as the oplog reaches.

    Raises:
        OpsError: the folder is not empty, slots are moving, or a shard does not answer.
    """
    _prepare_folder(folder)
    try:
        return asyncio.run(_create_backup(cluster, folder, events_s, version, steps))
    except PyMongoError as error:
        why = str(error).splitlines()[0][:240]
        raise OpsError(f"the backup ended early: {type(error).__name__}: {why}; take it again") from error


def _prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise OpsError(f"the folder {folder} cannot be used: {error.strerror}") from error
    if not is_empty:
        raise OpsError(f"{folder} is not empty: a backup needs a folder of its own")


async def _create_backup(
    cluster: Cluster, folder: Path, events_s: float, version: str, steps: StepProgress
) -> Manifest:
    created = datetime.now(UTC)
    namespaces = tuple(backed_up_namespaces(cluster.services))
    async with (
        open_admin_clients(cluster, selection_timeout_ms=SELECTION_TIMEOUT_MS) as clients,
        edit_slot_map(clients, LOCK_OWNER) as editor,
        AsyncExitStack() as closing,
    ):
        shards = [name for name in clients if name in editor.slot_map.uris]
        _require_still(editor)
        left_out = await _list_left_out(cluster, clients)
        with steps.step("documents") as detail:
            report = count_in(detail)
            copies = [
                await closing.enter_async_context(
                    open_shard_copy(ShardSource(name, clients[name], namespaces), folder, events_s, report)
                )
                for name in shards
            ]
            await _for_all(copies, ShardCopy.copy_collections)
        with steps.step("changes during the copy, and waiting events"):
            await _for_all(copies, ShardCopy.catch_up)
            times = await asyncio.gather(*(copy.current_time() for copy in copies))
            at = Timestamp(max(each.time for each in times) + 1, 0)
            files = await asyncio.gather(*(copy.finish(at) for copy in copies))
        await _require_held(editor)
        manifest = Manifest(
            format=FORMAT,
            id=secrets.token_hex(8),
            cluster=cluster.name,
            created=created.isoformat(timespec="seconds"),
            version=version,
            time=at.time,
            events_since=max(copy.events_since.time for copy in copies),
            slot_map=editor.slot_map.to_document(),
            shards=dict(zip(shards, files, strict=True)),
            left_out=left_out,
        )
        for name in shards:
            sync_folder(folder / name)
        save_manifest(folder, manifest)
        return manifest


async def _for_all(
    copies: Sequence[ShardCopy], act: Callable[[ShardCopy], Coroutine[Any, Any, None]]
) -> None:
    """Run a step on all shards at the same time; the first error ends the others."""
    async with asyncio.TaskGroup() as group:
        for copy in copies:
            group.create_task(act(copy))


def _require_still(editor: SlotMapEditor) -> None:
    if editor.slot_map.moving or editor.slot_map.fenced:
        raise OpsError(
            "slots are on their way between shards, and a backup would have them twice or not at all: "
            "finish that first: ic shards move --resume"
        )


async def _require_held(editor: SlotMapEditor) -> None:
    """Raise OpsError unless the slot map was ours, and the same, all the time."""

    async def change_nothing(_session: AsyncClientSession) -> None:
        return

    version = editor.slot_map.version
    await editor.lock.run_in_transaction(editor.first_shard, change_nothing)
    await editor.reload()
    if editor.slot_map.version != version:
        raise OpsError("the slot map was changed during the backup: take it again")


async def _list_left_out(cluster: Cluster, clients: Mapping[str, AdminClient]) -> list[str]:
    found = {
        str(each) for client in clients.values() for each in await find_undeclared(client, cluster.services)
    }
    return sorted(found)
