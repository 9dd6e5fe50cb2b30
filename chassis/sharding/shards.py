"""The shards of one service's database: one client each, and the shard of each ID."""

import asyncio
from collections import defaultdict
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import pymongo
from pymongo.monitoring import CommandListener

from chassis.aggregates import BatchRead
from chassis.clock import Clock, SystemClock
from chassis.concurrency.tasks import cancel_until_done
from chassis.errors import UNAVAILABLE_REASONS, DomainError
from chassis.ids import SLOT_COUNT, slot_of
from chassis.mongo.client import PATIENCE_S, connect_shard
from chassis.sharding.shard import Shard, ShardPool
from chassis.sharding.slot_map import SlotMap
from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from chassis.store_tls import StoreTls

__all__ = ["ScatterResult", "Shard", "Shards", "current_scatter"]

T = TypeVar("T")
Item = TypeVar("Item")

PING_TIMEOUT_S: Final = 1.0
MAX_CALL_S: Final = 30.0
"""How long connections to a removed shard are kept for the calls that use it."""

current_scatter: ContextVar[str] = ContextVar("current_scatter", default="")
"""The qualified name of the function that is being scattered; empty outside of a scatter."""


@dataclass(frozen=True, slots=True)
class ScatterResult(Generic[T]):
    """The results of a query of all shards, in no particular order, and the shards that did not answer."""

    results: list[T]
    missing_shards: list[str]


class Shards:
    """All shards of the service database `database`, each with its own bounded pool of connections.

    They use the given slot map until another one is applied: see `SlotMapWatch`, which reads it from the
    database `cluster`. A shard that does not answer for `patience_s` seconds counts as down.
    """

    def __init__(
        self,
        slot_map: SlotMap,
        database: str,
        user: str,
        password: str,
        *,
        clock: Clock | None = None,
        listeners: Sequence[CommandListener] = (),
        cluster: str = CLUSTER_DATABASE,
        tls: StoreTls | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        def open_pool(name: str, uri: str) -> ShardPool:
            client = connect_shard(uri, database, user, password, listeners, tls=tls, patience_s=patience_s)
            return ShardPool(
                name, uri, client, database=database, cluster=cluster, clock=clock or SystemClock()
            )

        self._open_pool = open_pool
        self._pools: dict[str, ShardPool] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._requires_leases = False
        self._map_changed = asyncio.Event()
        self.apply_slot_map(slot_map, {})

    def apply_slot_map(self, slot_map: SlotMap, copies: Mapping[str, SlotMap]) -> None:
        """Use another map from now on, and for each shard the shard's own copy of its slots.

        Pools are opened for new shards and for new addresses of known ones; those that the map no longer
        names are closed after a while.
        """
        self.slot_map = slot_map
        self._replace_pools(slot_map.uris)
        blocked = self._blocked_slots(copies)
        for name, pool in self._pools.items():
            own = slot_map.slots_of(name)
            pool.apply_slots(own - blocked[name], blocked[name], slot_map.orphan_slots(name))
        self._all = tuple(pool.shard for pool in self._pools.values())
        self._by_slot = tuple(
            pool.fenced_shard if slot in blocked[owner] else pool.shard
            for slot, owner in enumerate(slot_map.owners)
            for pool in (self._pools[owner],)
        )
        before, self._map_changed = self._map_changed, asyncio.Event()
        before.set()

    def _blocked_slots(self, copies: Mapping[str, SlotMap]) -> dict[str, frozenset[int]]:
        """Return by shard the slots that it owns by this map, but not, or not for writes, by its own copy."""
        found: dict[str, set[int]] = {name: set() for name in self._pools}
        for slot, owner in enumerate(self.slot_map.owners):
            own = copies.get(owner)
            if own is not None and (own.owners[slot] != owner or slot in own.fenced):
                found[owner].add(slot)
        return {name: frozenset(slots) for name, slots in found.items()}

    def _replace_pools(self, uris: Mapping[str, str]) -> None:
        before = self._pools
        self._pools = {name: self._pool_at(name, uri) for name, uri in uris.items()}
        for pool in before.values():
            if self._pools.get(pool.name) is not pool:
                closing = asyncio.create_task(_close_later(pool))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)

    def _pool_at(self, name: str, uri: str) -> ShardPool:
        former = self._pools.get(name)
        if former is not None and former.uri == uri:
            return former
        pool = self._new_pool(name, uri)
        if former is not None:
            pool.take_over_from(former)
        return pool

    def _new_pool(self, name: str, uri: str) -> ShardPool:
        pool = self._open_pool(name, uri)
        if self._requires_leases:
            pool.write_lease.require_confirmation()
        return pool

    def require_leases(self) -> None:
        """Require leases from now on: a shard is written to only while its slots are confirmed."""
        self._requires_leases = True
        for pool in self._pools.values():
            pool.write_lease.require_confirmation()

    def pool_of(self, name: str) -> ShardPool:
        """Return the pool of the shard of that name. Raises KeyError."""
        return self._pools[name]

    def shard_for(self, id_or_slot: str | int) -> Shard:
        """Return the shard of an ID's record, or of a slot. Raises ValueError when it is neither."""
        if isinstance(id_or_slot, str):
            return self._by_slot[slot_of(id_or_slot)]
        if not 0 <= id_or_slot < SLOT_COUNT:
            raise ValueError(f"a slot is within 0-{SLOT_COUNT - 1}, not {id_or_slot}")
        return self._by_slot[id_or_slot]

    def all_shards(self) -> tuple[Shard, ...]:
        """Return every shard, in the slot map's order; even while slots move they show each document once."""
        return self._all

    async def slot_map_changes(self) -> AsyncIterator[None]:
        """Yield whenever another map, or a fence, has come into force."""
        changed = self._map_changed
        while True:
            await changed.wait()
            changed = self._map_changed
            yield

    async def run_on_each(self, work: Callable[[Shard], Coroutine[Any, Any, None]]) -> None:
        """Run endless `work` on every shard, new ones included, until one of the tasks ends; raise its error.

        The work on a removed shard is cancelled; that on a shard with a new address is cancelled and begun
        again. `work` gets the present `Shard`, of which it may keep only `name` and `unscoped`.
        """
        running: dict[ShardPool, asyncio.Task[None]] = {}
        gone: set[asyncio.Task[None]] = set()
        try:
            while True:
                rerouted = self._map_changed
                here = dict.fromkeys(self._pools.values())
                for pool in running.keys() - here.keys():
                    gone.add(task := running.pop(pool))
                    task.cancel()
                for pool in here.keys() - running.keys():
                    running[pool] = asyncio.create_task(work(pool.shard))
                if ended := await _first_ended_before(rerouted, running.values()):
                    return ended.result()
        finally:
            await cancel_until_done({*running.values(), *gone})

    async def scatter(self, call: Callable[[Shard], Awaitable[T]], timeout_s: float) -> ScatterResult[T]:
        """Run `call` on all shards at once, for at most `timeout_s`; name the shards that did not answer.

        Any other error of a call is raised, and ends the other calls.
        """
        token = current_scatter.set(_qualified_name(call))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    shard.name: group.create_task(_call_with_timeout(call, shard, timeout_s))
                    for shard in self.all_shards()
                }
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            current_scatter.reset(token)
        answers = {name: task.result() for name, task in tasks.items()}
        return ScatterResult(
            results=[answer[0] for answer in answers.values() if answer is not None],
            missing_shards=[name for name, answer in answers.items() if answer is None],
        )

    async def find_by_ids(
        self, ids: Iterable[str], read: Callable[[Shard, list[str]], Awaitable[list[T]]]
    ) -> BatchRead[T]:
        """Return what `read` finds under these IDs on all their shards, and whose shards did not answer."""
        by_shard: dict[Shard, list[str]] = defaultdict(list)
        for id_ in ids:
            by_shard[self.shard_for(id_)].append(id_)
        answers = await asyncio.gather(
            *(_answer_or_none(read(shard, own)) for shard, own in by_shard.items())
        )
        return BatchRead(
            items=[each for answer in answers for each in answer or ()],
            unavailable_ids=[
                id_
                for own, answer in zip(by_shard.values(), answers, strict=True)
                if answer is None
                for id_ in own
            ],
        )

    async def run_on_shards_of(
        self,
        items: Iterable[Item],
        key: Callable[[Item], str],
        run: Callable[[Shard, list[Item]], Awaitable[T]],
    ) -> list[T]:
        """Call `run` on each shard, side by side, with those of `items` that belong there by the ID `key`.

        Return the results; raise the first error once all have ended.
        """
        by_shard: dict[Shard, list[Item]] = defaultdict(list)
        for item in items:
            by_shard[self.shard_for(key(item))].append(item)
        ended = await asyncio.gather(
            *(run(shard, own) for shard, own in by_shard.items()), return_exceptions=True
        )
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        return [each for each in ended if not isinstance(each, BaseException)]

    async def ping(self) -> list[str]:
        """Ping every shard; return the names of those that do not answer within a second."""
        return (await self.scatter(Shard.ping, PING_TIMEOUT_S)).missing_shards

    async def close(self) -> None:
        """Close all connections."""
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await asyncio.gather(*(pool.client.close() for pool in self._pools.values()))


async def _close_later(pool: ShardPool) -> None:
    """Close the client once the calls that began before its shard was removed have ended."""
    try:
        await asyncio.sleep(MAX_CALL_S)
    finally:
        await pool.client.close()


async def _first_ended_before(
    event: asyncio.Event, tasks: Collection["asyncio.Task[None]"]
) -> "asyncio.Task[None] | None":
    """Return the first task that has ended; None when the event was set first."""
    waiting = asyncio.create_task(event.wait())
    try:
        done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    return next((task for task in tasks if task in done), None)


async def _call_with_timeout(
    call: Callable[[Shard], Awaitable[T]], shard: Shard, timeout_s: float
) -> tuple[T] | None:
    async def within_the_time() -> tuple[T]:
        with pymongo.timeout(timeout_s):
            async with asyncio.timeout(timeout_s):
                return (await call(shard),)

    return await _answer_or_none(within_the_time())


async def _answer_or_none(asked: Awaitable[T]) -> T | None:
    """Return the answer; None when the shard did not give one."""
    try:
        return await asked
    except TimeoutError:
        return None
    except DomainError as error:
        if error.reason not in UNAVAILABLE_REASONS:
            raise
        return None


def _qualified_name(call: Callable[..., object]) -> str:
    return str(getattr(call, "__qualname__", type(call).__qualname__)).partition(".<locals>")[0]
