"""Carries a move out from wherever it stands, or takes it back."""

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
"""How long questions may go on that were begun before the map said that slots move."""
READERS_GRACE_S: Final = WRITE_LEASE_S
"""How long those who read by the earlier map are left alone before the source is cleared."""


@dataclass(frozen=True)
class MigrationResult:
    """What a move did: documents copied at first, and for how long nobody could write to the slots."""

    slots: int
    source: str
    target: str
    documents: int
    fenced_s: float | None


class SlotMigrator:
    """Moves slots of a cluster; see the package. `tell` hears what is being done, a line at a time."""

    def __init__(self, cluster: SlotMapEditor, namespaces: Sequence[Namespace], tell: ReportProgress) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._tell = tell

    async def move(self, moves: Sequence[SlotMove]) -> MigrationResult:
        """Moves slots from one shard to one other. Raises OpsError, and what PyMongo raises."""
        await self._cluster.change(rebalance.with_moves(self._cluster.slot_map, moves))
        return await self.finish()

    async def finish(self) -> MigrationResult:
        """Carries the move that is under way on to its end. Raises OpsError when there is none."""
        under_way = ActiveMigration.of(self._cluster.slot_map)
        await self._cluster.claim.spread(under_way.source)
        await lift_fence(self._cluster, under_way)
        await self._cluster.claim.spread(under_way.target)
        cargo = self._cargo(under_way)
        await self._tell_everybody()
        fenced_s, documents = None, 0
        if not under_way.is_switched(self._cluster.slot_map):
            self._tell(f"{under_way}: telling all processes")
            await self._all_confirm(under_way.source, under_way.target)
            await asyncio.sleep(EARLIER_CALLS_GRACE_S)
            documents, fenced_s = await Handover(self._cluster, cargo, under_way, self._tell).run()
            await self._tell_everybody()
        self._tell(f"{under_way}: switched; waiting until nobody reads the source any more")
        await self._all_confirm(under_way.source)
        await asyncio.sleep(READERS_GRACE_S)
        await self._clear(cargo, under_way.source)
        await cargo.forget()
        await self._end()
        return MigrationResult(len(under_way.slots), under_way.source, under_way.target, documents, fenced_s)

    async def abort(self) -> None:
        """Takes the move back that is under way. Raises OpsError when there is none, or it is switched."""
        under_way = ActiveMigration.of(self._cluster.slot_map)
        await self._cluster.claim.spread(under_way.source)
        await lift_fence(self._cluster, under_way)
        if under_way.is_switched(self._cluster.slot_map):
            raise OpsError(
                f"{under_way.target} owns the slots already; finish it: ic shards move --resume, "
                f"and move them back"
            )
        await self._cluster.claim.spread(under_way.target)
        cargo = self._cargo(under_way)
        # First, so that whoever resumes what is not taken back as a whole copies everything anew.
        await cargo.forget()
        await self._clear(cargo, under_way.target)
        await self._end()

    def _cargo(self, under_way: ActiveMigration) -> MigrationBatch:
        return MigrationBatch(
            self._cluster.clients,
            under_way.source,
            under_way.target,
            spans=[move.span for move in under_way.moves],
            namespaces=self._namespaces,
            claim=self._cluster.claim,
        )

    async def _all_confirm(self, *shards: str) -> None:
        if late := await self._cluster.confirmed(*shards, within_s=CONFIRM_TIMEOUT_S):
            raise OpsError(
                f"these processes do not take the slot map over: {', '.join(late)}; see: ic status"
            )

    async def _clear(self, cargo: MigrationBatch, shard: str) -> None:
        self._tell(f"clearing {shard}")
        say = throttle(lambda count: self._tell(f"clearing {shard}: {count:,} documents"))
        await initial_copy.delete_batch_documents(cargo, shard, say)

    async def _end(self) -> None:
        await self._cluster.change(rebalance.with_moves(self._cluster.slot_map, ()))
        await self._tell_everybody()

    async def _tell_everybody(self) -> None:
        if silent := await self._cluster.tell_all():
            self._tell(
                f"not told, as they do not answer: {', '.join(silent)}; later: ic shards move --resume"
            )


def group_moves_by_shards(plan: Sequence[SlotMove]) -> Mapping[tuple[str, str], list[SlotMove]]:
    """A plan's moves by source and target: each pair is one move."""
    found: dict[tuple[str, str], list[SlotMove]] = {}
    for move in plan:
        found.setdefault((move.source, move.target), []).append(move)
    return found
