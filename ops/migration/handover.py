"""From the first copy to the switch: nothing that was written to the source is missing on the target."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pymongo
from pymongo.errors import PyMongoError

from chassis.sharding import rebalance
from chassis.sharding.slot_map import SlotMap, SlotMove
from ops.errors import OpsError
from ops.migration import initial_copy
from ops.migration.batch import CopyProgress, MigrationBatch
from ops.migration.change_follower import ChangeFollower, ResumePointLostError, follow_changes
from ops.migration.slot_map_editor import SlotMapEditor

CONFIRM_TIMEOUT_S: Final = 90.0
"""A process that was killed counts for a minute after it was last heard of."""
MAX_LAG_S: Final = 0.5
"""How far behind the copy may be when the slots are fenced."""
CONFIRM_FENCE_TIMEOUT_S: Final = 1.0
"""How long processes may take to confirm a fence before it is lifted again."""
MAX_FENCE_S: Final = 2.5
"""How long it may take until the last changes are copied, too."""
SWITCH_TIMEOUT_S: Final = 2.5
"""How long the decision may take; after that it is looked up what became of it."""
LIFT_FENCE_TIMEOUT_S: Final = 60.0
LIFT_FENCE_ATTEMPT_TIMEOUT_S: Final = 5.0
POLL_INTERVAL_S: Final = 0.2
MAX_FENCE_ATTEMPTS: Final = 8
MAX_COPY_ATTEMPTS: Final = 3
FENCE_RETRY_DELAY_S: Final = 3.0
MAX_WAITING_EVENTS: Final = 1_000
"""Events in the outboxes that may be copied while nobody writes."""
CATCH_UP_TIMEOUT_S: Final = 300.0

ReportProgress = Callable[[str], None]


@dataclass(frozen=True)
class ActiveMigration:
    """The move that the slot map names; its spans share source and target."""

    moves: tuple[SlotMove, ...]

    @classmethod
    def of(cls, slot_map: SlotMap) -> "ActiveMigration":
        """Raises OpsError when nothing is under way."""
        if not slot_map.moving:
            raise OpsError("no slots are on their way")
        return cls(slot_map.moving)

    @property
    def source(self) -> str:
        """The shard that the slots leave."""
        return self.moves[0].source

    @property
    def target(self) -> str:
        """The shard that is to have them."""
        return self.moves[0].target

    @property
    def slots(self) -> frozenset[int]:
        """All of them."""
        return frozenset(slot for move in self.moves for slot in move.span.slots)

    def is_switched(self, slot_map: SlotMap) -> bool:
        """Whether the target owns them."""
        return all(slot_map.owners[slot] == self.target for slot in self.slots)

    def __str__(self) -> str:
        return f"{len(self.slots):,} slots from {self.source} to {self.target}"


class Handover:
    """Brings a move that is not switched to its switch."""

    def __init__(
        self, cluster: SlotMapEditor, cargo: MigrationBatch, under_way: ActiveMigration, tell: ReportProgress
    ) -> None:
        self._cluster = cluster
        self._cargo = cargo
        self._under_way = under_way
        self._tell = tell

    async def run(self) -> tuple[int, float]:
        """How many documents were copied, and for how many seconds the slots were fenced."""
        for _ in range(MAX_COPY_ATTEMPTS):
            try:
                await self._copy()
                return await self._follow_and_switch()
            except ResumePointLostError:
                self._tell(
                    f"{self._under_way.source} has forgotten what has changed since; copying all again"
                )
                await self._cargo.forget()
        raise OpsError(
            f"{self._under_way.source} forgets what has changed before it is copied: its oplog is too short"
        )

    async def _begun(self) -> CopyProgress:
        """What an earlier mover has got to; without a note of it nothing on the target counts."""
        progress = await self._cargo.begun()
        if progress is None:
            await initial_copy.delete_batch_documents(self._cargo, self._under_way.target, lambda _: None)
            progress = await self._cargo.begin()
        return progress

    async def _copied(self) -> CopyProgress:
        """The note of a copy that is complete: nothing is switched without it."""
        progress = await self._cargo.begun()
        if progress is None or not self._cargo.is_copied(progress):
            raise OpsError(
                "the copy is not complete, as somebody has interfered; go on: ic shards move --resume"
            )
        return progress

    async def _copy(self) -> None:
        progress, total = await self._begun(), await self._cargo.total()
        say = throttle(
            lambda _: self._tell(f"{self._under_way}: {progress.copied:,} of {total:,} documents copied")
        )
        async with follow_changes(self._cargo, progress) as changes:
            await initial_copy.InitialCopy(self._cargo, progress, changes).run(lambda: say(progress.copied))
            await changes.round()
        self._tell(f"{self._under_way}: {progress.copied:,} documents copied; following what changes")

    async def _follow_and_switch(self) -> tuple[int, float]:
        """What was read of the changes and not applied by one try is read again by the next."""
        for _ in range(MAX_FENCE_ATTEMPTS):
            progress = await self._copied()
            async with follow_changes(self._cargo, progress) as changes:
                await self._approach(changes)
                fenced_s = await self._fence_and_switch(changes, progress)
            if fenced_s is not None:
                return progress.copied, fenced_s
            await asyncio.sleep(FENCE_RETRY_DELAY_S)
            await self._cluster.confirmed(self._under_way.source, within_s=CONFIRM_TIMEOUT_S)
        raise OpsError(
            f"the fence did not hold in time in {MAX_FENCE_ATTEMPTS} tries and is lifted; nothing has moved. "
            "Once processes and shards answer quickly again: ic shards move --resume"
        )

    async def _approach(self, changes: ChangeFollower) -> None:
        """Follows until the copy is a moment behind, and few events wait for the broker."""
        say = throttle(lambda behind_s: self._tell(f"{self._under_way}: {behind_s:.2f} s behind"))
        until = time.monotonic() + CATCH_UP_TIMEOUT_S
        while time.monotonic() < until:
            behind_s = await changes.round()
            say(behind_s)
            waiting = await self._cargo.waiting_events()
            if behind_s <= MAX_LAG_S and waiting <= MAX_WAITING_EVENTS:
                return
            if waiting > MAX_WAITING_EVENTS:
                await asyncio.sleep(1)
        raise OpsError(
            f"after {CATCH_UP_TIMEOUT_S:.0f} s the copy is {behind_s:.1f} s behind, {waiting:,} events wait "
            "for the broker (ic outbox status); go on later: ic shards move --resume"
        )

    async def _fence_and_switch(self, changes: ChangeFollower, progress: CopyProgress) -> float | None:
        """The seconds for which the slots were fenced; None when it took too long, and nothing has moved."""
        started, fenced_s, hindrance = time.monotonic(), None, ""
        try:
            with _limit_shard_calls():
                async with asyncio.timeout(MAX_FENCE_S):
                    hindrance = await self._fence_and_carry_over(changes, progress)
                if not hindrance:
                    async with asyncio.timeout(SWITCH_TIMEOUT_S):
                        await self._switch()
                        fenced_s = time.monotonic() - started
        except (TimeoutError, PyMongoError) as error:
            hindrance = f"the shards did not answer in time ({type(error).__name__})"
        finally:
            await _run_to_completion(lift_fence(self._cluster, self._under_way))
        if self._under_way.is_switched(self._cluster.slot_map):
            return fenced_s or time.monotonic() - started
        self._tell(f"the fence is lifted again: {hindrance}")
        return None

    async def _fence_and_carry_over(self, changes: ChangeFollower, progress: CopyProgress) -> str:
        """Copies what was written until the fence stood; "", or what has kept it from being done."""
        source = self._under_way.source
        await self._cluster.change(rebalance.with_fence(self._cluster.slot_map, self._under_way.slots))
        await self._cluster.tell(source)
        if late := await self._cluster.confirmed(source, within_s=CONFIRM_FENCE_TIMEOUT_S):
            return f"not confirmed in time by {', '.join(late)}"
        await self._cluster.running_writes_end(source)
        await changes.round()
        await initial_copy.copy_outboxes(self._cargo, progress, changes.session)
        return ""

    async def _switch(self) -> None:
        slots, target = self._under_way.slots, self._under_way.target
        await self._cluster.change(rebalance.with_owner(self._cluster.slot_map, slots, target))
        await self._cluster.tell(target)


async def lift_fence(cluster: SlotMapEditor, under_way: ActiveMigration) -> None:
    """Opens the slots for writes on the shard that owns them, whatever has become of what was tried.

    Raises:
        OpsError: a shard did not answer for a minute: writes are refused until this is done again.
    """
    until = time.monotonic() + LIFT_FENCE_TIMEOUT_S
    while True:
        try:
            with pymongo.timeout(LIFT_FENCE_ATTEMPT_TIMEOUT_S):
                await cluster.look_again()
                if cluster.slot_map.fenced:
                    await cluster.change(rebalance.with_fence(cluster.slot_map, ()))
                owner = under_way.target if under_way.is_switched(cluster.slot_map) else under_way.source
                return await cluster.tell(owner)
        except PyMongoError as error:
            if time.monotonic() > until:
                raise OpsError(
                    f"writes to {under_way} are refused now, as a shard does not answer; once it does: "
                    "ic shards move --resume"
                ) from error
            await asyncio.sleep(POLL_INTERVAL_S)


async def _run_to_completion(work: Coroutine[Any, Any, None]) -> None:
    """Lets it end before a cancellation passes, or a fence might stay."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    task.result()


@contextlib.contextmanager
def _limit_shard_calls() -> Iterator[None]:
    """Nothing that is asked of a shard, not even the end of a session, lasts longer than the fence may."""
    with pymongo.timeout(MAX_FENCE_S + SWITCH_TIMEOUT_S):
        yield


def throttle(say: Callable[[float], None], every_s: float = 2.0) -> Callable[[float], None]:
    """Passes on what it hears, at most every two seconds."""
    said_at = time.monotonic()

    def heard(value: float) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= every_s:
            said_at = time.monotonic()
            say(value)

    return heard
