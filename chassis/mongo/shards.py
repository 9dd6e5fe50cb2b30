"""The shards of one service's database: one client each, and the way from an ID to the right one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
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


class Shard:
    """One shard, by its name in the slot map. `db` is the service's database there."""

    def __init__(
        self, name: str, client: ShardClient, database: str, clock: Clock, *, group_all: bool = False
    ) -> None:
        gate = Gate(client, f"mongo shard {name}")
        self.name = name
        self.db = ShardDatabase(client, database, gate)
        self._client = client
        self._transactions = Transactions(self.db, gate, clock)
        self._group = GroupCommit(self._transactions)
        self._group_all = group_all

    async def in_transaction(
        self, work: Callable[[Transaction], Awaitable[T]], *, handling: "Incoming | None" = None
    ) -> T | None:
        """Runs `work` in a transaction (w=majority) that also puts its events into the outbox.

        `work` may run more than once, so it changes nothing but the database. With `handling`, the
        incoming event is remembered in the same transaction; a repeat of it returns None and does not
        run `work`. Works that handle events share a transaction with others that wait (`GroupCommit`).

        Raises:
            DomainError: UNAVAILABLE, OVERLOADED or DEADLINE_EXCEEDED; after those of a commit it is
                not known whether the change took effect, so repeat it under the same key.
            PyMongoError: as `work` raised it, e.g. DuplicateKeyError; nothing was changed.
        """
        unit = Work(work, handling)
        grouped = self._group_all or handling is not None
        result: T | None = await (self._group.run(unit) if grouped else self._transactions.run(unit))
        return result

    async def ping(self) -> None:
        """Asks the primary for an answer. Raises DomainError UNAVAILABLE or DEADLINE_EXCEEDED."""
        await self.db.command("ping")

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()


class Shards:
    """All shards of the service database `database`, each with its own bounded pool of connections.

    With `group_all`, all transactions are committed in groups, which suits bulk work: more in the same time,
    each a little later.
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
        group_all: bool = False,
    ) -> None:
        self._slot_map = slot_map
        self._shards = {
            name: Shard(
                name,
                connect(uri, database, user, password, listeners),
                database,
                clock or SystemClock(),
                group_all=group_all,
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

    async def ping(self) -> list[str]:
        """Asks every shard for a sign of life; returns the names of those that give none within a second."""
        return (await self.scatter(Shard.ping, PING_TIMEOUT_S)).missing

    async def close(self) -> None:
        """Closes all connections."""
        await asyncio.gather(*(shard.close() for shard in self.all()))


async def _answer(call: Callable[[Shard], Awaitable[T]], shard: Shard, timeout_s: float) -> tuple[T] | None:
    try:
        with pymongo.timeout(timeout_s):
            async with asyncio.timeout(timeout_s):
                return (await call(shard),)
    except TimeoutError:
        return None
    except DomainError as error:
        if error.reason not in NOT_ANSWERING:
            raise
        return None


def _name_of(call: Callable[..., object]) -> str:
    return str(getattr(call, "__qualname__", type(call).__qualname__)).partition(".<locals>")[0]
