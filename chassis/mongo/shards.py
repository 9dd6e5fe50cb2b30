"""The shards of one service's database: one client each, and the way from an ID to the right one."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import pymongo
from pymongo.monitoring import CommandListener

from chassis.clock import Clock, SystemClock
from chassis.errors import NOT_ANSWERING, DomainError
from chassis.ids import slot_of
from chassis.mongo.client import ShardClient, connect
from chassis.mongo.collections import ShardDatabase
from chassis.mongo.gate import Gate
from chassis.mongo.grouping import GroupCommit
from chassis.mongo.slots import SlotMap
from chassis.mongo.transactions import Transaction, Transactions, Work

if TYPE_CHECKING:
    from chassis.messaging import Incoming

T = TypeVar("T")

PING_TIMEOUT_S: Final = 1.0

current_scatter: ContextVar[str] = ContextVar("current_scatter", default="")
"""The function that is being scattered, by its qualified name; empty outside of a scatter."""


@dataclass(frozen=True, slots=True)
class Scatter(Generic[T]):
    """What a question to all shards brought: answers in no particular order, and who did not answer."""

    results: list[T]
    missing: list[str]


@dataclass(frozen=True, slots=True)
class OfEach(Generic[T]):
    """What was found under some IDs, in no particular order, and the IDs whose shards did not answer."""

    found: list[T]
    unavailable_ids: list[str]


class Shard:
    """One shard, by its name in the slot map. `db` is the service's database there."""

    def __init__(self, name: str, client: ShardClient, database: str, clock: Clock) -> None:
        gate = Gate(client, f"mongo shard {name}")
        self.name = name
        self.db = ShardDatabase(client, database, gate)
        self._client = client
        self._group = GroupCommit(Transactions(self.db, gate, clock))

    async def in_transaction(
        self, work: Callable[[Transaction], Awaitable[T]], *, handling: "Incoming | None" = None
    ) -> T | None:
        """Runs `work` in a transaction (w=majority) that also puts its events into the outbox.

        `work` may run more than once, so it changes nothing but the database, and it may share its
        transaction with others that wait for one (`GroupCommit`), so it asks nobody else. With `handling`,
        the incoming event is remembered in the same transaction; a repeat of it returns None and does not
        run `work`.

        Raises:
            DomainError: UNAVAILABLE, OVERLOADED or DEADLINE_EXCEEDED; after those of a commit it is
                not known whether the change took effect, so repeat it under the same key.
            PyMongoError: as `work` raised it, e.g. DuplicateKeyError; nothing was changed.
        """
        result: T | None = await self._group.run(Work(work, handling))
        return result

    async def ping(self) -> None:
        """Asks the primary for an answer. Raises DomainError UNAVAILABLE or DEADLINE_EXCEEDED."""
        await self.db.command("ping")

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()


class Shards:
    """All shards of the service database `database`, each with its own bounded pool of connections."""

    def __init__(
        self,
        slot_map: SlotMap,
        database: str,
        user: str,
        password: str,
        *,
        clock: Clock | None = None,
        listeners: Sequence[CommandListener] = (),
    ) -> None:
        self._slot_map = slot_map
        self._shards = {
            name: Shard(
                name, connect(uri, database, user, password, listeners), database, clock or SystemClock()
            )
            for name, uri in slot_map.uris.items()
        }
        self._by_slot = tuple(self._shards[name] for name in slot_map.owners)

    def of(self, id_or_slot: str | int) -> Shard:
        """The shard where an ID's record, or a slot, lives. Raises ValueError when it is neither."""
        if isinstance(id_or_slot, str):
            return self._by_slot[slot_of(id_or_slot)]
        return self._shards[self._slot_map.shard_name(id_or_slot)]

    def all(self) -> tuple[Shard, ...]:
        """Every shard, in the slot map's order."""
        return tuple(self._shards.values())

    async def scatter(self, call: Callable[[Shard], Awaitable[T]], timeout_s: float) -> Scatter[T]:
        """Runs `call` on all shards at once, for at most `timeout_s`; says which shards did not answer.

        An error other than a shard's not answering is raised, and ends the other calls.
        """
        token = current_scatter.set(_name_of(call))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    shard.name: group.create_task(_answer(call, shard, timeout_s)) for shard in self.all()
                }
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            current_scatter.reset(token)
        answers = {name: task.result() for name, task in tasks.items()}
        return Scatter(
            results=[answer[0] for answer in answers.values() if answer is not None],
            missing=[name for name, answer in answers.items() if answer is None],
        )

    async def of_each(
        self, ids: Iterable[str], read: Callable[[Shard, list[str]], Awaitable[list[T]]]
    ) -> "OfEach[T]":
        """What `read` finds under these IDs, on each of their shards at once; whose shard did not answer."""
        by_shard: dict[Shard, list[str]] = defaultdict(list)
        for id_ in ids:
            by_shard[self.of(id_)].append(id_)
        answers = await asyncio.gather(*(_answering(read(shard, own)) for shard, own in by_shard.items()))
        return OfEach(
            found=[each for answer in answers for each in answer or ()],
            unavailable_ids=[
                id_
                for own, answer in zip(by_shard.values(), answers, strict=True)
                if answer is None
                for id_ in own
            ],
        )

    async def ping(self) -> list[str]:
        """Asks every shard for a sign of life; returns the names of those that give none within a second."""
        return (await self.scatter(Shard.ping, PING_TIMEOUT_S)).missing

    async def close(self) -> None:
        """Closes all connections."""
        await asyncio.gather(*(shard.close() for shard in self.all()))


async def _answer(call: Callable[[Shard], Awaitable[T]], shard: Shard, timeout_s: float) -> tuple[T] | None:
    async def within_the_time() -> tuple[T]:
        with pymongo.timeout(timeout_s):
            async with asyncio.timeout(timeout_s):
                return (await call(shard),)

    return await _answering(within_the_time())


async def _answering(asked: Awaitable[T]) -> T | None:
    """The answer; None when the shard did not give one."""
    try:
        return await asked
    except TimeoutError:
        return None
    except DomainError as error:
        if error.reason not in NOT_ANSWERING:
            raise
        return None


def _name_of(call: Callable[..., object]) -> str:
    return str(getattr(call, "__qualname__", type(call).__qualname__)).partition(".<locals>")[0]
