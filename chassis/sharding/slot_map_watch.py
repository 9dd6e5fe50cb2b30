"""Follows the slot map: every process reads each shard's own copy, so that no shard depends on another."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import pymongo
from pymongo import CursorType
from pymongo.errors import PyMongoError

from chassis.concurrency.backoff import Backoff, keep_reconnecting
from chassis.concurrency.tasks import best_effort, run_until_first_exit
from chassis.errors import DomainError
from chassis.observability import metrics
from chassis.observability.logging import get_logger
from chassis.sharding import slot_map_store
from chassis.sharding.shard import Shard, ShardPool
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap
from chassis.sharding.write_lease import ANNOUNCEMENT_TTL_S

CONFIRM_INTERVAL_S: Final = 2.0
CONFIRM_TIMEOUT_S: Final = 2.0
CONFIRM_RETRY_INTERVAL_S: Final = 0.2
"""After a confirmation that failed; the guard answers operations on a shard that is down."""
DRAIN_POLL_INTERVAL_S: Final = 0.02
ANNOUNCE_INTERVAL_S: Final = ANNOUNCEMENT_TTL_S / 3
CHANGES_RETRY_INTERVAL_S: Final = 0.4
_MAX_AWAIT_MS: Final = 10_000

_log = get_logger()


@dataclass(frozen=True)
class ProcessIdentity:
    """The identity of a process on each shard, so that a migration knows which processes to wait for."""

    service: str
    role: str
    id: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}")


class SlotMapWatch:
    """Applies the newest map to `shards`, and lets them write to a shard only while its lease is valid."""

    def __init__(self, shards: Shards, identity: ProcessIdentity) -> None:
        self._shards = shards
        self._identity = identity
        self._copies: dict[str, SlotMap] = {}
        shards.require_leases()
        metrics.slot_map_version.set(shards.slot_map.version)

    async def load_newest(self) -> None:
        """Apply the newest map that a shard has, so that the first operations do not use an old one.

        A shard that does not answer within two seconds is skipped.
        """
        found = await self._shards.scatter(self._copy_of, CONFIRM_TIMEOUT_S)
        for name, copy in found.results:
            if copy is not None:
                self.apply_copy(name, copy)

    async def follow_shards(self) -> None:
        """Follow every shard, new ones included, until cancelled; then withdraw this process from them."""
        try:
            await self._shards.run_on_each(self._follow)
        finally:
            await best_effort(self._withdraw_member())

    def apply_copy(self, shard: str, copy: SlotMap) -> None:
        """Apply a shard's copy.

        Raises ValueError for a copy older than the former one: after an election the new primary's view of
        the majority may be behind for a moment.
        """
        before = self._copies.get(shard, copy).version
        if copy.version < before:
            raise ValueError(f"shard {shard} answers with version {copy.version} after version {before}")
        self._copies[shard] = copy
        slot_map = slot_map_store.newest_slot_map(self._copies) or copy
        self._shards.apply_slot_map(slot_map, self._copies)
        metrics.slot_map_version.set(slot_map.version)
        self._copies = {name: kept for name, kept in self._copies.items() if name in slot_map.uris}

    async def _copy_of(self, shard: Shard) -> tuple[str, SlotMap | None]:
        try:
            return shard.name, await slot_map_store.read_slot_map(
                self._shards.pool_of(shard.name).cluster_database
            )
        except (PyMongoError, ValueError) as error:
            _log.warning("slot map not read", shard=shard.name, error=str(error))
            return shard.name, None

    async def _follow(self, shard: Shard) -> None:
        await _ShardFollower(self, self._shards.pool_of(shard.name), self._identity).follow()

    async def _withdraw_member(self) -> None:
        self._shards.require_leases()
        await self._shards.scatter(self._withdraw_member_from, timeout_s=1.0)

    async def _withdraw_member_from(self, shard: Shard) -> None:
        await slot_map_store.withdraw_member(
            self._shards.pool_of(shard.name).cluster_database, self._identity.id
        )


@asynccontextmanager
async def follow_slot_map(shards: Shards, identity: ProcessIdentity) -> AsyncIterator[None]:
    """Follow the slot map during the block: `shards` use the newest map, and write under leases."""
    watch = SlotMapWatch(shards, identity)
    await watch.load_newest()
    running = asyncio.create_task(watch.follow_shards())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class _ShardFollower:
    """Follows one shard: reads its copy every two seconds, and at once when it has changed."""

    def __init__(self, watch: SlotMapWatch, pool: ShardPool, identity: ProcessIdentity) -> None:
        self._watch = watch
        self._pool = pool
        self._identity = identity
        self._changed = asyncio.Event()
        self._version: int | None = None
        self._announced: int | None = None
        self._announced_at = 0.0
        self._failing = False
        metrics.slot_map_lease_seconds.labels(pool.name).set_function(pool.write_lease.remaining_s)

    async def follow(self) -> None:
        await run_until_first_exit(self._keep_confirming(), self._listen())

    async def _keep_confirming(self) -> None:
        while True:
            self._changed.clear()
            pause_s = await self._try_confirm()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()

    async def _try_confirm(self) -> float:
        """Confirm the shard's copy once; return the seconds until the next time."""
        try:
            with pymongo.timeout(CONFIRM_TIMEOUT_S):
                await self._confirm()
        except (DomainError, PyMongoError, ValueError) as error:
            if not self._failing:
                _log.warning("slot map not confirmed", shard=self._pool.name, error=str(error))
            self._failing = True
            return CONFIRM_RETRY_INTERVAL_S
        self._failing = False
        return CONFIRM_INTERVAL_S if self._announced == self._version else DRAIN_POLL_INTERVAL_S

    async def _confirm(self) -> None:
        """Read the shard's copy and prolong the lease; announce the process first, for movers to wait for."""
        if not self._pool.write_lease.is_announced():
            await self._announce(self._announced)
        asked_at = self._pool.write_lease.now()
        version = await slot_map_store.read_slot_map_version(self._pool.cluster_database)
        if version != self._version:
            copy = await slot_map_store.read_slot_map(self._pool.cluster_database)
            if copy is None:
                raise ValueError(f"shard {self._pool.name} has no slot map; provision it")
            self._watch.apply_copy(self._pool.name, copy)
            self._version = copy.version
            _log.info("slot map taken", shard=self._pool.name, version=copy.version)
        self._pool.write_lease.record_confirmation(asked_at)
        await self._announce_if_changed()

    async def _announce_if_changed(self) -> None:
        """Announce the version once writes by an older one have ended, or repeat the last announcement."""
        version = self._version if self._pool.is_drained() else self._announced
        is_news = version != self._announced
        if is_news or self._pool.write_lease.now() - self._announced_at >= ANNOUNCE_INTERVAL_S:
            await self._announce(version)

    async def _announce(self, version: int | None) -> None:
        now = self._pool.write_lease.now()
        who = self._identity
        await slot_map_store.announce_member(
            self._pool.cluster_database, who.id, who.service, who.role, version or 0
        )
        self._pool.write_lease.record_announcement(now)
        self._announced, self._announced_at = version, now

    async def _listen(self) -> None:
        """Wake the confirming at once when a change is announced; without it, only the interval does."""

        def pass_on_unless_lost(error: Exception) -> None:
            if not isinstance(error, PyMongoError):
                raise error

        # A tailable cursor over an empty collection ends at once: the delay must not grow.
        await keep_reconnecting(
            self._wait_for_changes,
            pass_on_unless_lost,
            base_s=CHANGES_RETRY_INTERVAL_S,
            max_s=CHANGES_RETRY_INTERVAL_S,
        )

    async def _wait_for_changes(self, _backoff: Backoff) -> None:
        changes = self._pool.client[self._pool.cluster_database.name][slot_map_store.CHANGES_COLLECTION]
        cursor = changes.find({}, cursor_type=CursorType.TAILABLE_AWAIT)
        async with cursor.max_await_time_ms(_MAX_AWAIT_MS):
            while cursor.alive:
                async for _ in cursor:
                    self._changed.set()
