"""One shard of a service's database, with its write permits."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from chassis.clock import Clock
from chassis.ids import slot_of
from chassis.mongo.client import ShardClient
from chassis.sharding.collections import ShardDatabase
from chassis.sharding.group_commit import GroupCommit
from chassis.sharding.inbox import EventInSlot, IncomingEvent
from chassis.sharding.operation_guard import OperationGuard
from chassis.sharding.transactions import Transaction, TransactionRunner, UnitOfWork
from chassis.sharding.write_lease import WriteLease, WritePermit

T = TypeVar("T")

_NO_SLOTS: Final[frozenset[int]] = frozenset()


class ShardPool:
    """The connections to one shard, and the present `Shard` object.

    When slots leave the shard, or are fenced, holders of the present `Shard` can write no more: they ask
    `Shards` for their record's shard again. When other slots become orphans, there is a new `Shard` as well,
    whose reads exclude them; holders of the former one read by the former map, and may go on writing, as both
    share a permit.
    """

    def __init__(
        self, name: str, uri: str, client: ShardClient, *, database: str, cluster: str, clock: Clock
    ) -> None:
        self.name = name
        self.uri = uri
        self.client = client
        self.write_lease = WriteLease()
        self._resource_name = f"mongo shard {name}"
        self._guard = OperationGuard(client, self._resource_name, label=f"mongo/{name}")
        self._database = database
        self._clock = clock
        self._open_slots = _NO_SLOTS
        self._orphan_slots = _NO_SLOTS
        self._draining_permits: list[WritePermit] = []
        self._permit = WritePermit(self._resource_name, self.write_lease)
        self.unscoped = ShardDatabase(
            client, database, self._guard, WritePermit(self._resource_name, WriteLease())
        )
        self.cluster_database = ShardDatabase(
            client, cluster, self._guard, WritePermit(self._resource_name, WriteLease())
        )
        self.fenced_shard = self._build_shard(self._revoked_permit())
        self.shard = self._build_shard(self._permit)

    def apply_slots(
        self, open_slots: frozenset[int], blocked: frozenset[int], orphan_slots: frozenset[int] = _NO_SLOTS
    ) -> None:
        """Admit writes to the open slots and not to blocked ones; exclude orphans from reads."""
        closing = bool(self._open_slots - open_slots)
        if closing:
            self._permit.revoke()
            self._draining_permits.append(self._permit)
            self._permit = WritePermit(self._resource_name, self.write_lease)
        if orphan_slots != self._orphan_slots:
            self._orphan_slots = orphan_slots
            self.fenced_shard = self._build_shard(self._revoked_permit())
            self.shard = self._build_shard(self._permit)
        elif closing:
            self.shard = self._build_shard(self._permit)
        self._permit.blocked_slots = blocked
        self._open_slots = open_slots

    def take_over_from(self, former: "ShardPool") -> None:
        """Take the place of connections to a former address of the shard, which admit no more writes.

        Writes in flight through them count here until they have ended.
        """
        former._permit.revoke()
        self._draining_permits += [*former._draining_permits, former._permit]

    def is_drained(self) -> bool:
        """Return whether all writes that began before slots were closed have ended."""
        self._draining_permits = [permit for permit in self._draining_permits if permit.writes_in_flight]
        return not self._draining_permits

    def _revoked_permit(self) -> WritePermit:
        permit = WritePermit(self._resource_name, self.write_lease)
        permit.revoke()
        return permit

    def _build_shard(self, permit: WritePermit) -> "Shard":
        database = ShardDatabase(self.client, self._database, self._guard, permit, self._orphan_slots)
        return Shard(self, database, TransactionRunner(database, self._guard, permit, self._clock))


class Shard:
    """One shard, by its name in the slot map. `db` is the service's database there.

    It reads and writes by the slot map of the moment when it was asked for, so do not keep it beyond a call.

    `unscoped` is the same database for data that belongs to the shard itself and to no slot, such as the
    position of the relay: fences do not affect it, and it includes orphans.
    """

    def __init__(self, pool: ShardPool, database: ShardDatabase, transactions: TransactionRunner) -> None:
        self.name = pool.name
        self.db = database
        self._pool = pool
        self._transactions = transactions
        self._group = GroupCommit(transactions)

    @property
    def unscoped(self) -> ShardDatabase:
        """The database without fences and without exclusion of orphans; see the class."""
        return self._pool.unscoped

    async def run_in_transaction(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        *,
        event: IncomingEvent | None = None,
        slot: int | None = None,
    ) -> T | None:
        """Run `work` in a transaction (w=majority) that also inserts its events into the outbox.

        `work` may run more than once, so it changes nothing but the database, and it may share its
        transaction with others that wait for one (`GroupCommit`), so it calls nothing else. With `event`, the
        incoming event is recorded in the inbox in the same transaction; a repeat of it returns None and does
        not run `work`. The record lives in, and moves with, `slot`: by default that of the event's subject.

        Raises:
            DomainError: UNAVAILABLE, OVERLOADED or DEADLINE_EXCEEDED; after those of a commit it is not known
                whether the change took effect, so repeat it under the same key.
            PyMongoError: as `work` raised it, e.g. DuplicateKeyError; nothing was changed.
        """
        handled = (
            () if event is None else (EventInSlot(event, slot_of(event.subject) if slot is None else slot),)
        )
        result: T | None = await self._group.submit(UnitOfWork(work, handled))
        return result

    async def run_batch_in_transaction(
        self,
        events: Sequence[EventInSlot],
        work: Callable[[Transaction, Sequence[EventInSlot]], Awaitable[None]],
    ) -> None:
        """Handle events in one transaction of their own, with a row in the inbox for each.

        `work` gets the events that were not handled before, each once, in their order. It may run more than
        once. Raises as `run_in_transaction` does; then no event was handled, unless the error is a commit's.
        """
        await self._transactions.run_batch(events, work)

    async def ping(self) -> None:
        """Ping the primary. Raises DomainError UNAVAILABLE or DEADLINE_EXCEEDED."""
        await self.db.command("ping")
