"""Carries a move out from wherever it stands, or takes it back."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pymongo.errors import OperationFailure, PyMongoError

from chassis.mongo import planning
from chassis.mongo.permits import LEASE_S
from chassis.mongo.slots import Move, SlotMap
from ops.errors import OpsError
from ops.moving import copying
from ops.moving.cluster import Cluster
from ops.moving.documents import Cargo, Namespace, Progress
from ops.moving.following import Following, following

CONFIRMED_WITHIN_S: Final = 90.0
"""A process that was killed counts for a minute after it was last heard of."""
NEAR_S: Final = 0.5
"""How far behind the copy may be when the slots are fenced."""
CONFIRM_FENCE_WITHIN_S: Final = 1.0
"""How long processes may take to confirm a fence before it is lifted again."""
FENCED_FOR_S: Final = 2.0
"""How long it may take until the last changes are copied, too."""
FENCE_TRIES: Final = 8
CALM_S: Final = 3.0
MOST_WAITING: Final = 1_000
"""Events in the outboxes that may be copied while nobody writes."""
APPROACH_WITHIN_S: Final = 300.0
BEGUN_BEFORE_S: Final = 5.0
"""How long questions may go on that were begun before the map said that slots move."""
READERS_GRACE_S: Final = LEASE_S
"""How long those who read by the earlier map are left alone before the source is cleared."""
_FORGOTTEN: Final = frozenset({9, 15, 260, 280, 286})
"""FailedToParse and Overflow (the note cannot be read), InvalidResumeToken, ChangeStreamFatalError and
ChangeStreamHistoryLost."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Moved:
    """What a move did: documents copied at first, and for how long nobody could write to the slots."""

    slots: int
    source: str
    target: str
    documents: int
    fenced_s: float | None


class Mover:
    """Moves slots of a cluster; see the package. `tell` hears what is being done, a line at a time."""

    def __init__(self, cluster: Cluster, namespaces: Sequence[Namespace], tell: Tell) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._tell = tell

    async def move(self, moves: Sequence[Move]) -> Moved:
        """Moves slots from one shard to one other. Raises OpsError, and what PyMongo raises."""
        await self._cluster.change(planning.with_moves(self._cluster.slot_map, moves))
        return await self.finish()

    async def finish(self) -> Moved:
        """Carries the move that is under way on to its end. Raises OpsError when there is none."""
        under_way = _UnderWay.of(self._cluster.slot_map)
        cargo = await self._cargo(under_way)
        await lift_fence(self._cluster, under_way.source)
        fenced_s, documents = None, 0
        if not under_way.is_switched(self._cluster.slot_map):
            self._tell(f"{under_way}: telling all processes")
            await self._all_confirm(under_way.source, under_way.target)
            await asyncio.sleep(BEGUN_BEFORE_S)
            documents, fenced_s = await _Handover(self._cluster, cargo, under_way, self._tell).run()
        self._tell(f"{under_way}: switched; waiting until nobody reads the source any more")
        await self._all_confirm(under_way.source)
        await asyncio.sleep(READERS_GRACE_S)
        await self._clear(cargo, under_way.source)
        await self._end(cargo)
        return Moved(len(under_way.slots), under_way.source, under_way.target, documents, fenced_s)

    async def abort(self) -> None:
        """Takes the move back that is under way. Raises OpsError when there is none, or it is switched."""
        under_way = _UnderWay.of(self._cluster.slot_map)
        if under_way.is_switched(self._cluster.slot_map):
            raise OpsError(
                f"{under_way.target} owns the slots already; finish it: ic shards move --resume, "
                f"and move them back"
            )
        cargo = await self._cargo(under_way)
        await lift_fence(self._cluster, under_way.source)
        await self._clear(cargo, under_way.target)
        await self._end(cargo)

    async def _cargo(self, under_way: "_UnderWay") -> Cargo:
        await self._cluster.claim.spread(under_way.source, under_way.target)
        return Cargo(
            self._cluster.clients,
            under_way.source,
            under_way.target,
            spans=[move.span for move in under_way.moves],
            namespaces=self._namespaces,
            claim=self._cluster.claim,
        )

    async def _all_confirm(self, *shards: str) -> None:
        if late := await self._cluster.confirmed(*shards, within_s=CONFIRMED_WITHIN_S):
            raise OpsError(
                f"these processes do not take the slot map over: {', '.join(late)}; see: ic status"
            )

    async def _clear(self, cargo: Cargo, shard: str) -> None:
        await copying.clear(
            cargo, shard, _now_and_then(lambda count: self._tell(f"clearing {shard}: {count:,} documents"))
        )

    async def _end(self, cargo: Cargo) -> None:
        await cargo.forget()
        await self._cluster.change(planning.with_moves(self._cluster.slot_map, ()))
        await self._cluster.tell_all()


@dataclass(frozen=True)
class _UnderWay:
    """The move that the slot map names; its spans share source and target."""

    moves: tuple[Move, ...]

    @classmethod
    def of(cls, slot_map: SlotMap) -> "_UnderWay":
        if not slot_map.moving:
            raise OpsError("no slots are on their way")
        return cls(slot_map.moving)

    @property
    def source(self) -> str:
        return self.moves[0].source

    @property
    def target(self) -> str:
        return self.moves[0].target

    @property
    def slots(self) -> frozenset[int]:
        return frozenset(slot for move in self.moves for slot in move.span.slots)

    def is_switched(self, slot_map: SlotMap) -> bool:
        return all(slot_map.owners[slot] == self.target for slot in self.slots)

    def __str__(self) -> str:
        return f"{len(self.slots):,} slots from {self.source} to {self.target}"


class _Handover:
    """From the first copy to the switch."""

    def __init__(self, cluster: Cluster, cargo: Cargo, under_way: _UnderWay, tell: Tell) -> None:
        self._cluster = cluster
        self._cargo = cargo
        self._under_way = under_way
        self._tell = tell

    async def run(self) -> tuple[int, float]:
        """How many documents were copied, and for how many seconds the slots were fenced."""
        progress = await self._cargo.begun() or await self._cargo.begin()
        while True:
            try:
                fenced_s = await self._carry_over(progress)
            except OperationFailure as error:
                if error.code not in _FORGOTTEN:
                    raise
            else:
                return progress.copied, fenced_s
            self._tell(f"{self._under_way.source} has forgotten the changes since; copying all again")
            await lift_fence(self._cluster, self._under_way.source)
            await copying.clear(self._cargo, self._under_way.target, lambda _: None)
            progress = await self._cargo.begin()

    async def _carry_over(self, progress: Progress) -> float:
        total = await self._cargo.total()
        say = _now_and_then(
            lambda _: self._tell(f"{self._under_way}: {progress.copied:,} of {total:,} documents copied")
        )
        await copying.copy(self._cargo, progress, lambda: say(progress.copied))
        self._tell(f"{self._under_way}: {progress.copied:,} documents copied; following what changes")
        for _ in range(FENCE_TRIES):
            fenced_s = await self._follow_and_switch()
            if fenced_s is not None:
                return fenced_s
            await asyncio.sleep(CALM_S)
            await self._cluster.confirmed(self._under_way.source, within_s=CONFIRMED_WITHIN_S)
        raise OpsError(
            f"the fence was not confirmed in time in {FENCE_TRIES} tries and is lifted; nothing has moved. "
            "Once processes and shards answer quickly again: ic shards move --resume"
        )

    async def _follow_and_switch(self) -> float | None:
        """The seconds for which the slots were fenced; None when that took too long, and nothing has moved.

        What was read of the changes and not applied is read again by the next try.
        """
        progress = await self._cargo.begun()
        if progress is None:
            raise OpsError(
                "the note of how far the copy has got is gone; take it back: ic shards move --abort"
            )
        async with following(self._cargo, progress) as changes:
            await self._approach(changes)
            return await self._fence_and_switch(changes, progress)

    async def _approach(self, changes: Following) -> None:
        """Follows until the copy is a moment behind, and few events wait for the broker."""
        say = _now_and_then(lambda behind_s: self._tell(f"{self._under_way}: {behind_s:.2f} s behind"))
        until = time.monotonic() + APPROACH_WITHIN_S
        while time.monotonic() < until:
            behind_s = await changes.round()
            say(behind_s)
            waiting = await self._cargo.waiting_events()
            if behind_s <= NEAR_S and waiting <= MOST_WAITING:
                return
            if waiting > MOST_WAITING:
                await asyncio.sleep(1)
        raise OpsError(
            f"after {APPROACH_WITHIN_S:.0f} s the copy is {behind_s:.1f} s behind, {waiting:,} events wait "
            "for the broker (ic outbox status); go on later: ic shards move --resume"
        )

    async def _fence_and_switch(self, changes: Following, progress: Progress) -> float | None:
        source, started = self._under_way.source, time.monotonic()
        try:
            await self._cluster.change(planning.with_fence(self._cluster.slot_map, self._under_way.slots))
            hindrance = await self._carry_over_the_last(changes, progress)
            if hindrance:
                self._tell(f"the fence is lifted again: {hindrance}")
                await lift_fence(self._cluster, source)
                return None
            owners = planning.with_owner(
                self._cluster.slot_map, self._under_way.slots, self._under_way.target
            )
            await self._cluster.change(owners)
        except BaseException:
            with contextlib.suppress(OpsError, PyMongoError):
                await asyncio.shield(lift_fence(self._cluster, source))
            raise
        await self._cluster.tell(self._under_way.target)
        fenced_s = time.monotonic() - started
        await self._cluster.tell_all()
        return fenced_s

    async def _carry_over_the_last(self, changes: Following, progress: Progress) -> str:
        """Copies what was written until the fence stood; "", or what has kept it from being done in time."""
        source = self._under_way.source
        try:
            async with asyncio.timeout(FENCED_FOR_S):
                await self._cluster.tell(source)
                if late := await self._cluster.confirmed(source, within_s=CONFIRM_FENCE_WITHIN_S):
                    return f"not confirmed in time by {', '.join(late)}"
                await self._cluster.running_writes_end(source)
                await changes.round()
                await copying.copy_outboxes(self._cargo, progress)
        except TimeoutError:
            return f"the last changes could not be copied within {FENCED_FOR_S:.1f} s"
        return ""


async def lift_fence(cluster: Cluster, source: str) -> None:
    """Opens all slots for writes again, if any are fenced."""
    if cluster.slot_map.fenced:
        await cluster.change(planning.with_fence(cluster.slot_map, ()))
    await cluster.tell(source)
    await cluster.tell_all()


def _now_and_then(say: Callable[[float], None], every_s: float = 2.0) -> Callable[[float], None]:
    """Passes on what it hears, at most every two seconds."""
    said_at = time.monotonic()

    def heard(value: float) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= every_s:
            said_at = time.monotonic()
            say(value)

    return heard


def pairs(plan: Sequence[Move]) -> Mapping[tuple[str, str], list[Move]]:
    """A plan's moves by source and target: each pair is one move."""
    found: dict[tuple[str, str], list[Move]] = {}
    for move in plan:
        found.setdefault((move.source, move.target), []).append(move)
    return found
