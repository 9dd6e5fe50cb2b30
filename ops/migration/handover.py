"""The handover from the first copy to the switch: the target misses no write of the source."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pymongo
from pymongo.errors import PyMongoError

from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.sharding import rebalance
from chassis.sharding.slot_map import SlotMap, SlotMove
from ops.errors import OpsError
from ops.migration import initial_copy
from ops.migration.batch import CopyProgress, MigrationBatch
from ops.migration.change_follower import ChangeFollower, ResumePointLostError, follow_changes
from ops.migration.slot_map_editor import SlotMapEditor

CONFIRM_TIMEOUT_S: Final = 90.0
"""A killed process counts as a member for a minute after its last announcement."""
MAX_LAG_S: Final = 0.5
"""The maximum lag of the copy when the slots are fenced."""
CONFIRM_FENCE_TIMEOUT_S: Final = 1.0
"""The time for processes to confirm a fence, after which it is lifted again."""
MAX_FENCE_S: Final = 2.5
"""The time for fencing and copying the last changes."""
SWITCH_TIMEOUT_S: Final = 2.5
"""The time for the switch; after it the result is looked up."""
LIFT_FENCE_TIMEOUT_S: Final = 60.0
LIFT_FENCE_ATTEMPT_TIMEOUT_S: Final = 5.0
LIFT_FENCE_RETRY_POLICY: Final = RetryPolicy(initial_s=0.2, max_s=0.2, jitter=0)
MAX_FENCE_ATTEMPTS: Final = 8
MAX_COPY_ATTEMPTS: Final = 3
FENCE_RETRY_DELAY_S: Final = 3.0
MAX_WAITING_EVENTS: Final = 1_000
"""Events in the outboxes that may be copied during the fence."""
CATCH_UP_TIMEOUT_S: Final = 300.0

ReportProgress = Callable[[str], None]


@dataclass(frozen=True)
class ActiveMigration:
    """The move in the slot map; its spans share source and target."""

    moves: tuple[SlotMove, ...]

    @classmethod
    def from_slot_map(cls, slot_map: SlotMap) -> "ActiveMigration":
        """Return the active migration. Raises OpsError when there is none."""
        if not slot_map.moving:
            raise OpsError("no slots are on their way")
        return cls(slot_map.moving)

    @property
    def source(self) -> str:
        """The shard that the slots leave."""
        return self.moves[0].source

    @property
    def target(self) -> str:
        """The shard that receives the slots."""
        return self.moves[0].target

    @property
    def slots(self) -> frozenset[int]:
        """All slots of the move."""
        return frozenset(slot for move in self.moves for slot in move.span.slots)

    def is_switched(self, slot_map: SlotMap) -> bool:
        """Return whether the target owns the slots."""
        return all(slot_map.owners[slot] == self.target for slot in self.slots)

    def __str__(self) -> str:
        return f"{len(self.slots):,} slots from {self.source} to {self.target}"


class Handover:
    """Runs a move up to its switch."""

    def __init__(
        self, editor: SlotMapEditor, batch: MigrationBatch, migration: ActiveMigration, report: ReportProgress
    ) -> None:
        self._editor = editor
        self._batch = batch
        self._migration = migration
        self._report = report

    async def copy_and_switch(self) -> tuple[int, float]:
        """Return the number of copied documents, and the seconds for which the slots were fenced."""
        for _ in range(MAX_COPY_ATTEMPTS):
            try:
                await self._copy()
                return await self._follow_and_switch()
            except ResumePointLostError:
                self._report(
                    f"{self._migration.source} has forgotten what has changed since; copying all again"
                )
                await self._batch.delete_progress()
        raise OpsError(
            f"{self._migration.source} forgets what has changed before it is copied: its oplog is too short"
        )

    async def _load_or_start_progress(self) -> CopyProgress:
        """Return the progress of an earlier run; without one, clear the target first."""
        progress = await self._batch.load_progress()
        if progress is None:
            await initial_copy.delete_batch_documents(self._batch, self._migration.target, lambda _: None)
            progress = await self._batch.start_progress()
        return progress

    async def _require_complete_copy(self) -> CopyProgress:
        """Return the progress of a complete copy. Raises OpsError when the copy is incomplete."""
        progress = await self._batch.load_progress()
        if progress is None or not self._batch.is_copied(progress):
            raise OpsError(
                "the copy is not complete, as somebody has interfered; go on: ic shards move --resume"
            )
        return progress

    async def _copy(self) -> None:
        progress, total = await self._load_or_start_progress(), await self._batch.count_documents()
        report = throttle(
            lambda _: self._report(f"{self._migration}: {progress.copied:,} of {total:,} documents copied")
        )
        async with follow_changes(self._batch, progress) as follower:
            await initial_copy.InitialCopy(self._batch, progress, follower).copy_collections(
                lambda: report(progress.copied)
            )
            await follower.apply_changes()
        self._report(f"{self._migration}: {progress.copied:,} documents copied; following what changes")

    async def _follow_and_switch(self) -> tuple[int, float]:
        """Follow the changes and switch; return the number of copied documents and the seconds of the fence.

        Changes that one try has read and not applied are read again by the next.
        """
        for _ in range(MAX_FENCE_ATTEMPTS):
            progress = await self._require_complete_copy()
            async with follow_changes(self._batch, progress) as follower:
                await self._catch_up(follower)
                fenced_s = await self._fence_and_switch(follower, progress)
            if fenced_s is not None:
                return progress.copied, fenced_s
            await asyncio.sleep(FENCE_RETRY_DELAY_S)
            await self._editor.wait_until_confirmed(self._migration.source, timeout_s=CONFIRM_TIMEOUT_S)
        raise OpsError(
            f"the fence did not hold in time in {MAX_FENCE_ATTEMPTS} tries and is lifted; nothing has moved. "
            "Once processes and shards answer quickly again: ic shards move --resume"
        )

    async def _catch_up(self, follower: ChangeFollower) -> None:
        """Follow until the copy is a moment behind, and few events wait for the broker."""
        report = throttle(lambda behind_s: self._report(f"{self._migration}: {behind_s:.2f} s behind"))
        until = time.monotonic() + CATCH_UP_TIMEOUT_S
        while time.monotonic() < until:
            behind_s = await follower.apply_changes()
            report(behind_s)
            waiting = await self._batch.count_waiting_events()
            if behind_s <= MAX_LAG_S and waiting <= MAX_WAITING_EVENTS:
                return
            if waiting > MAX_WAITING_EVENTS:
                await asyncio.sleep(1)
        raise OpsError(
            f"after {CATCH_UP_TIMEOUT_S:.0f} s the copy is {behind_s:.1f} s behind, {waiting:,} events wait "
            "for the broker (ic outbox status); go on later: ic shards move --resume"
        )

    async def _fence_and_switch(self, follower: ChangeFollower, progress: CopyProgress) -> float | None:
        """Fence the slots and switch; return the seconds of the fence, or None without a switch in time."""
        started, fenced_s, reason = time.monotonic(), None, ""
        try:
            with _limit_shard_calls():
                async with asyncio.timeout(MAX_FENCE_S):
                    reason = await self._fence_and_copy_rest(follower, progress)
                if not reason:
                    async with asyncio.timeout(SWITCH_TIMEOUT_S):
                        await self._switch()
                        fenced_s = time.monotonic() - started
        except (TimeoutError, PyMongoError) as error:
            reason = f"the shards did not answer in time ({type(error).__name__})"
        finally:
            await _run_to_completion(lift_fence(self._editor, self._migration))
        if self._migration.is_switched(self._editor.slot_map):
            return fenced_s or time.monotonic() - started
        self._report(f"the fence is lifted again: {reason}")
        return None

    async def _fence_and_copy_rest(self, follower: ChangeFollower, progress: CopyProgress) -> str:
        """Fence the slots and copy the last changes; return "", or why that failed."""
        source = self._migration.source
        await self._editor.replace_slot_map(
            rebalance.with_fence(self._editor.slot_map, self._migration.slots)
        )
        await self._editor.publish_to_shard(source)
        if late := await self._editor.wait_until_confirmed(source, timeout_s=CONFIRM_FENCE_TIMEOUT_S):
            return f"not confirmed in time by {', '.join(late)}"
        await self._editor.wait_for_running_writes(source)
        await follower.apply_changes()
        await initial_copy.copy_outboxes(self._batch, progress, follower.session)
        return ""

    async def _switch(self) -> None:
        slots, target = self._migration.slots, self._migration.target
        await self._editor.replace_slot_map(rebalance.with_owner(self._editor.slot_map, slots, target))
        await self._editor.publish_to_shard(target)


async def lift_fence(editor: SlotMapEditor, migration: ActiveMigration) -> None:
    """Open the slots for writes on the shard that owns them, whatever the outcome of the attempt.

    Raises:
        OpsError: a shard did not answer for a minute; it refuses writes until this is repeated.
    """

    async def attempt() -> None:
        with pymongo.timeout(LIFT_FENCE_ATTEMPT_TIMEOUT_S):
            await editor.reload()
            if editor.slot_map.fenced:
                await editor.replace_slot_map(rebalance.with_fence(editor.slot_map, ()))
            owner = migration.target if migration.is_switched(editor.slot_map) else migration.source
            await editor.publish_to_shard(owner)

    deadline = time.monotonic() + LIFT_FENCE_TIMEOUT_S
    try:
        await retry_call_async(attempt, LIFT_FENCE_RETRY_POLICY, on=PyMongoError, deadline=deadline)
    except PyMongoError as error:
        raise OpsError(
            f"writes to {migration} are refused now, as a shard does not answer; once it does: "
            "ic shards move --resume"
        ) from error


async def _run_to_completion(work: Coroutine[Any, Any, None]) -> None:
    """Finish the work before passing on a cancellation, as a fence might remain otherwise."""
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
    """Limit each operation on a shard, even the end of a session, to the time of a fence."""
    with pymongo.timeout(MAX_FENCE_S + SWITCH_TIMEOUT_S):
        yield


def throttle(report: Callable[[float], None], every_s: float = 2.0) -> Callable[[float], None]:
    """Return a report that passes on the latest value, at most every `every_s` seconds."""
    said_at = time.monotonic()

    def heard(value: float) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= every_s:
            said_at = time.monotonic()
            report(value)

    return heard
