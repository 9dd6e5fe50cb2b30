"""The moves that an operator asks for, on the shards of a stack."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from pymongo.errors import PyMongoError

from chassis.ids import SLOTS
from chassis.mongo import planning
from chassis.mongo.provision import CHASSIS_COLLECTIONS, is_mongos
from chassis.mongo.slots import Move, SlotMap, Span, spans
from ops.errors import OpsError
from ops.moving.cluster import Cluster, newest_map, taken
from ops.moving.documents import Namespace
from ops.moving.guardian import guarded
from ops.moving.handover import Tell
from ops.moving.mover import Moved, Mover, pairs
from ops.stack import mongo
from ops.stack.lifecycle import Stack
from ops.stack.provision import declared_collections, shard_clients

T = TypeVar("T")

DEADLINE_MS: Final = 20_000
"""Of everything that is asked of a shard."""
_GO_ON: Final = (
    "If slots are on their way (ic shards list), go on with: ic shards move --resume; then ask again for "
    "what else was to be moved"
)


def slots_of(text: str) -> list[int]:
    """The slots that an operator names, such as `0-1023,4000`. Raises OpsError."""
    slots: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise OpsError(f"'{text}' names no slots: write them like 0-1023 or 5,7,100-199")
        if int(last or first) >= SLOTS or int(first) > int(last or first):
            raise OpsError(
                f"'{part.strip()}' are no slots: they go from 0 to {SLOTS - 1}, the lower one first"
            )
        slots |= set(range(int(first), int(last or first) + 1))
    return sorted(slots)


def move(stack: Stack, slots: Sequence[int], target: str, tell: Tell) -> list[Moved]:
    """Moves slots to a shard, from wherever they are. Raises OpsError."""

    async def work(mover: Mover, cluster: Cluster) -> list[Moved]:
        _nothing_moves(cluster.slot_map)
        await _all_take_part(cluster)
        plan = _plan(cluster.slot_map, slots, target)
        await _refuse_balanced(cluster, plan)
        return [await mover.move(moves) for moves in pairs(plan).values()]

    return _carry_out(stack, tell, work)


def rebalance(stack: Stack, tell: Tell) -> list[Moved]:
    """Finishes what is under way, then moves slots until all shards have equally many. Raises OpsError."""

    async def work(mover: Mover, cluster: Cluster) -> list[Moved]:
        moved = [await mover.finish()] if cluster.slot_map.moving else []
        await _all_take_part(cluster)
        plan = planning.even_plan(cluster.slot_map)
        await _refuse_balanced(cluster, plan)
        return [*moved, *[await mover.move(moves) for moves in pairs(plan).values()]]

    return _carry_out(stack, tell, work)


def resume(stack: Stack, tell: Tell) -> list[Moved]:
    """Finishes the move that is under way. Raises OpsError when there is none."""

    async def work(mover: Mover, cluster: Cluster) -> list[Moved]:
        await cluster.tell_all()
        return [await mover.finish()]

    return _carry_out(stack, tell, work)


def abort(stack: Stack, tell: Tell) -> None:
    """Takes back the move that is under way. Raises OpsError when there is none, or it is switched."""

    async def work(mover: Mover, _: Cluster) -> None:
        await mover.abort()

    _carry_out(stack, tell, work)


def even_plan(stack: Stack) -> list[Move]:
    """What a rebalancing would move now. Raises OpsError."""

    async def work() -> list[Move]:
        async with shard_clients(stack.topology, stack.credentials) as clients:
            return planning.even_plan(await newest_map(clients))

    return asyncio.run(work())


def _plan(slot_map: SlotMap, slots: Sequence[int], target: str) -> list[Move]:
    if target not in slot_map.uris:
        raise OpsError(f"there is no shard '{target}'; there are: {', '.join(slot_map.uris)}")
    plan = [
        Move(span, source, target)
        for source in slot_map.uris
        if source != target
        for span in _spans_on(slot_map, source, slots)
    ]
    if not plan:
        raise OpsError(f"all of these slots are on {target} already")
    return plan


def _spans_on(slot_map: SlotMap, shard: str, slots: Sequence[int]) -> list[Span]:
    return spans(slot for slot in slots if slot_map.owners[slot] == shard)


def _nothing_moves(slot_map: SlotMap) -> None:
    if slot_map.moving:
        of = slot_map.moving[0]
        raise OpsError(
            f"slots are on their way from {of.source} to {of.target} already; finish it: ic shards move "
            "--resume, or take it back: ic shards move --abort"
        )


async def _all_take_part(cluster: Cluster) -> None:
    """Also tells those the present map that were not told in time. Raises OpsError when a shard is silent."""
    if silent := await cluster.tell_all():
        raise OpsError(f"every shard has to take part, and these do not answer: {', '.join(silent)}")


async def _refuse_balanced(cluster: Cluster, plan: Sequence[Move]) -> None:
    for name in dict.fromkeys(name for move in plan for name in (move.source, move.target)):
        if await is_mongos(cluster.clients[name]):
            raise OpsError(
                f"the shard {name} is a native sharded cluster: MongoDB's balancer spreads its documents, "
                "and slots stay where they are"
            )


def _carry_out(stack: Stack, tell: Tell, work: Callable[[Mover, Cluster], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        _end_well_on_sigterm()
        async with (
            shard_clients(stack.topology, stack.credentials, deadline_ms=DEADLINE_MS) as clients,
            taken(clients) as cluster,
        ):
            return await work(Mover(cluster, _namespaces(), tell), cluster)

    try:
        with guarded(stack.topology):
            return asyncio.run(run())
    except PyMongoError as error:
        line = str(error).splitlines()[0][:200]
        raise OpsError(f"a shard did not answer as it should: {line}. {_GO_ON}") from error
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise OpsError(f"interrupted. {_GO_ON}") from None


def _namespaces() -> list[Namespace]:
    """Every collection whose documents live in slots."""
    return [
        Namespace(mongo.database_of(service), spec.name)
        for service, declared in declared_collections().items()
        for spec in (*declared, *CHASSIS_COLLECTIONS)
        if spec.slot_field is not None
    ]


def _end_well_on_sigterm() -> None:
    """As on Ctrl-C: the fence is lifted before it ends."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
