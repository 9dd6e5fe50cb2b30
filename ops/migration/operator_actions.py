"""The operator's actions on slots: moving, rebalancing, resuming, aborting."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from pymongo.errors import PyMongoError

from chassis.ids import SLOT_COUNT
from chassis.mongo.provision import is_mongos
from chassis.sharding import rebalance
from chassis.sharding.chassis_collections import CHASSIS_COLLECTIONS
from chassis.sharding.slot_map import SlotMap, SlotMove, SlotRange, to_slot_ranges
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.migration.batch import Namespace
from ops.migration.fence_watchdog import watch_fence
from ops.migration.handover import ReportProgress
from ops.migration.migrator import MigrationResult, SlotMigrator, group_moves_by_shards
from ops.migration.slot_map_editor import SlotMapEditor, edit_slot_map, read_newest_slot_map
from ops.provision import declared_collections, open_admin_clients
from ops.service_names import service_database

T = TypeVar("T")

SHARD_TIMEOUT_MS: Final = 20_000
"""The time-out of each operation on a shard."""
_RESUME_HINT: Final = (
    "If slots are on their way (ic shards list), go on with: ic shards move --resume; then ask again for "
    "what else was to be moved"
)


def parse_slots(text: str) -> list[int]:
    """Return the slots in an operator's text, such as `0-1023,4000`. Raises OpsError."""
    slots: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise OpsError(f"'{text}' names no slots: write them like 0-1023 or 5,7,100-199")
        if int(last or first) >= SLOT_COUNT or int(first) > int(last or first):
            raise OpsError(
                f"'{part.strip()}' are no slots: they go from 0 to {SLOT_COUNT - 1}, the lower one first"
            )
        slots |= set(range(int(first), int(last or first) + 1))
    return sorted(slots)


def move_slots(
    cluster: Cluster, slots: Sequence[int], target: str, report: ReportProgress
) -> list[MigrationResult]:
    """Move slots to a shard, from whichever shards own them. Raises OpsError."""

    async def action(migrator: SlotMigrator, editor: SlotMapEditor) -> list[MigrationResult]:
        _require_no_migration(editor.slot_map)
        await _require_all_shards(editor)
        plan = _plan_moves(editor.slot_map, slots, target)
        await _require_no_mongos(editor, plan)
        return [await migrator.move(moves) for moves in group_moves_by_shards(plan).values()]

    return _run_migration(cluster, report, action)


def rebalance_slots(cluster: Cluster, report: ReportProgress) -> list[MigrationResult]:
    """Finish a running migration, then move slots until all shards have equally many. Raises OpsError."""

    async def action(migrator: SlotMigrator, editor: SlotMapEditor) -> list[MigrationResult]:
        moved = [await migrator.finish()] if editor.slot_map.moving else []
        await _require_all_shards(editor)
        plan = rebalance.plan_rebalance(editor.slot_map)
        await _require_no_mongos(editor, plan)
        return [*moved, *[await migrator.move(moves) for moves in group_moves_by_shards(plan).values()]]

    return _run_migration(cluster, report, action)


def resume_migration(cluster: Cluster, report: ReportProgress) -> list[MigrationResult]:
    """Finish the active move. Raises OpsError when there is none."""

    async def action(migrator: SlotMigrator, editor: SlotMapEditor) -> list[MigrationResult]:
        await editor.publish_to_all()
        return [await migrator.finish()]

    return _run_migration(cluster, report, action)


def abort_migration(cluster: Cluster, report: ReportProgress) -> None:
    """Undo the active move. Raises OpsError when there is none, or it is switched."""

    async def action(migrator: SlotMigrator, _: SlotMapEditor) -> None:
        await migrator.abort()

    _run_migration(cluster, report, action)


def plan_rebalance(cluster: Cluster) -> list[SlotMove]:
    """Return the moves of a rebalancing now. Raises OpsError."""

    async def action() -> list[SlotMove]:
        async with open_admin_clients(cluster) as clients:
            return rebalance.plan_rebalance(await read_newest_slot_map(clients))

    return asyncio.run(action())


def _plan_moves(slot_map: SlotMap, slots: Sequence[int], target: str) -> list[SlotMove]:
    if target not in slot_map.uris:
        raise OpsError(f"there is no shard '{target}'; there are: {', '.join(slot_map.uris)}")
    plan = [
        SlotMove(span, source, target)
        for source in slot_map.uris
        if source != target
        for span in _spans_on(slot_map, source, slots)
    ]
    if not plan:
        raise OpsError(f"all of these slots are on {target} already")
    return plan


def _spans_on(slot_map: SlotMap, shard: str, slots: Sequence[int]) -> list[SlotRange]:
    return to_slot_ranges(slot for slot in slots if slot_map.owners[slot] == shard)


def _require_no_migration(slot_map: SlotMap) -> None:
    if slot_map.moving:
        of = slot_map.moving[0]
        raise OpsError(
            f"slots are on their way from {of.source} to {of.target} already; finish it: ic shards move "
            "--resume, or take it back: ic shards move --abort"
        )


async def _require_all_shards(editor: SlotMapEditor) -> None:
    """Publish the present map to shards that missed it. Raises OpsError when one does not answer."""
    if silent := await editor.publish_to_all():
        raise OpsError(f"every shard has to take part, and these do not answer: {', '.join(silent)}")


async def _require_no_mongos(editor: SlotMapEditor, plan: Sequence[SlotMove]) -> None:
    for name in dict.fromkeys(name for move in plan for name in (move.source, move.target)):
        if await is_mongos(editor.clients[name]):
            raise OpsError(
                f"the shard {name} is a native sharded cluster: MongoDB's balancer spreads its documents, "
                "and slots stay where they are"
            )


def _run_migration(
    cluster: Cluster,
    report: ReportProgress,
    action: Callable[[SlotMigrator, SlotMapEditor], Coroutine[Any, Any, T]],
) -> T:
    async def run() -> T:
        _cancel_on_sigterm()
        async with (
            open_admin_clients(cluster, timeout_ms=SHARD_TIMEOUT_MS) as clients,
            edit_slot_map(clients) as editor,
        ):
            return await action(SlotMigrator(editor, _slot_namespaces(), report), editor)

    try:
        with watch_fence(cluster):
            return asyncio.run(run())
    except PyMongoError as error:
        line = str(error).splitlines()[0][:200]
        raise OpsError(f"a shard did not answer as it should: {line}. {_RESUME_HINT}") from error
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise OpsError(f"interrupted. {_RESUME_HINT}") from None


def _slot_namespaces() -> list[Namespace]:
    """Return every collection whose documents live in slots."""
    return [
        Namespace(service_database(service), spec.name)
        for service, declared in declared_collections().items()
        for spec in (*declared, *CHASSIS_COLLECTIONS)
        if spec.slot_field is not None
    ]


def _cancel_on_sigterm() -> None:
    """Cancel on SIGTERM as on Ctrl-C: the fence is lifted before the end."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
