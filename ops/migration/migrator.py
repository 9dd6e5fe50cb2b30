"""Runs a move from its recorded state to its end, or undoes it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chassis.sharding import rebalance
from chassis.sharding.slot_map import SlotMove
from chassis.sharding.write_lease import WRITE_LEASE_S
from ops.errors import OpsError
from ops.migration import initial_copy
from ops.migration.batch import MigrationBatch, Namespace
from ops.migration.handover import (
    CONFIRM_TIMEOUT_S,
    ActiveMigration,
    Handover,
    ReportProgress,
    lift_fence,
    throttle,
)
from ops.migration.slot_map_editor import SlotMapEditor

EARLIER_CALLS_GRACE_S: Final = 5.0
"""The time for reads to end that began before the map named the move."""
READERS_GRACE_S: Final = WRITE_LEASE_S
"""The time for readers by the earlier map before the source is cleared."""


@dataclass(frozen=True)
class MigrationResult:
    """The result of a move: documents of the initial copy, and the seconds for which writes were refused."""

    slots: int
    source: str
    target: str
    documents: int
    fenced_s: float | None


class SlotMigrator:
    """Moves slots of a cluster; see the package. `report` is called with a line for each step."""

    def __init__(
        self, editor: SlotMapEditor, namespaces: Sequence[Namespace], report: ReportProgress
    ) -> None:
        self._editor = editor
        self._namespaces = namespaces
        self._report = report

    async def move(self, moves: Sequence[SlotMove]) -> MigrationResult:
        """Move slots from one shard to one other. Raises OpsError, and what PyMongo raises."""
        await self._editor.replace_slot_map(rebalance.with_moves(self._editor.slot_map, moves))
        return await self.finish()

    async def finish(self) -> MigrationResult:
        """Finish the active move. Raises OpsError when there is none."""
        migration = ActiveMigration.from_slot_map(self._editor.slot_map)
        await self._editor.lock.register(migration.source)
        await lift_fence(self._editor, migration)
        await self._editor.lock.register(migration.target)
        batch = self._batch(migration)
        await self._publish_slot_map()
        fenced_s, documents = None, 0
        if not migration.is_switched(self._editor.slot_map):
            self._report(f"{migration}: telling all processes")
            await self._all_confirm(migration.source, migration.target)
            await asyncio.sleep(EARLIER_CALLS_GRACE_S)
            documents, fenced_s = await Handover(
                self._editor, batch, migration, self._report
            ).copy_and_switch()
            await self._publish_slot_map()
        self._report(f"{migration}: switched; waiting until nobody reads the source any more")
        await self._all_confirm(migration.source)
        await asyncio.sleep(READERS_GRACE_S)
        await self._clear(batch, migration.source)
        await batch.delete_progress()
        await self._end_migration()
        return MigrationResult(len(migration.slots), migration.source, migration.target, documents, fenced_s)

    async def abort(self) -> None:
        """Undo the active move. Raises OpsError when there is none, or it is switched."""
        migration = ActiveMigration.from_slot_map(self._editor.slot_map)
        await self._editor.lock.register(migration.source)
        await lift_fence(self._editor, migration)
        if migration.is_switched(self._editor.slot_map):
            raise OpsError(
                f"{migration.target} owns the slots already; finish it: ic shards move --resume, "
                f"and move them back"
            )
        await self._editor.lock.register(migration.target)
        batch = self._batch(migration)
        # First, so that a resumed move that was partly undone copies everything again.
        await batch.delete_progress()
        await self._clear(batch, migration.target)
        await self._end_migration()

    def _batch(self, migration: ActiveMigration) -> MigrationBatch:
        return MigrationBatch(
            self._editor.clients,
            migration.source,
            migration.target,
            spans=[move.span for move in migration.moves],
            namespaces=self._namespaces,
            lock=self._editor.lock,
        )

    async def _all_confirm(self, *shards: str) -> None:
        if late := await self._editor.wait_until_confirmed(*shards, timeout_s=CONFIRM_TIMEOUT_S):
            raise OpsError(
                f"these processes do not take the slot map over: {', '.join(late)}; see: ic status"
            )

    async def _clear(self, batch: MigrationBatch, shard: str) -> None:
        self._report(f"clearing {shard}")
        report = throttle(lambda count: self._report(f"clearing {shard}: {count:,} documents"))
        await initial_copy.delete_batch_documents(batch, shard, report)

    async def _end_migration(self) -> None:
        await self._editor.replace_slot_map(rebalance.with_moves(self._editor.slot_map, ()))
        await self._publish_slot_map()

    async def _publish_slot_map(self) -> None:
        if silent := await self._editor.publish_to_all():
            self._report(
                f"not told, as they do not answer: {', '.join(silent)}; later: ic shards move --resume"
            )


def group_moves_by_shards(plan: Sequence[SlotMove]) -> Mapping[tuple[str, str], list[SlotMove]]:
    """Return a plan's moves by source and target: each pair is one migration."""
    found: dict[tuple[str, str], list[SlotMove]] = {}
    for move in plan:
        found.setdefault((move.source, move.target), []).append(move)
    return found
