"""The lock of migrations: each takes the next epoch, and a shard refuses the steps of an earlier one.

The first shard of the slot map holds the lock and its heartbeat. The epoch is registered on every shard that
takes part; a migration that was paused and superseded finds it changed in the transaction of its next step.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from ops.errors import OpsError
from ops.provision import AdminClient
from ops.waiting import wait_until_async

T = TypeVar("T")

MIGRATION_COLLECTION: Final = "mover"
HEARTBEAT_TIMEOUT_S: Final = 5.0
"""A migration without a heartbeat for this long is superseded."""
HEARTBEAT_INTERVAL_S: Final = 1.0
POLL_INTERVAL_S: Final = 0.2
_LOCK: Final = {"_id": "claim"}
_HEARTBEAT: Final = {"_id": "pulse"}
_MAJORITY: Final = WriteConcern("majority")


class MigrationLockLostError(OpsError):
    """Another migration has taken over; this one must not change anything any more."""

    def __init__(self) -> None:
        super().__init__("another migration has taken over from this one; see: ic shards list")


class MigrationRunningError(OpsError):
    """Another migration, or a backup or restore, is running."""

    def __init__(self, runner: str) -> None:
        super().__init__(f"{runner} holds the slot map at this moment; wait until it has ended")


class MigrationLock:
    """The right to change the slot map and to move documents; see `hold_migration_lock`."""

    def __init__(self, clients: Mapping[str, AdminClient], first: str, epoch: int, runner: str) -> None:
        self._clients = clients
        self._first = first
        self._epoch = epoch
        self._runner = runner

    async def register(self, *shards: str) -> None:
        """Record the epoch on the participating shards. Raises MigrationLockLostError."""
        for shard in shards:
            locks = self._collection(shard).with_options(write_concern=_MAJORITY)
            earlier = _LOCK | {"epoch": {"$lt": self._epoch}}
            try:
                await locks.update_one(earlier, {"$set": {"epoch": self._epoch}}, upsert=True)
            except DuplicateKeyError:
                await self._require_registered(shard)

    async def run_in_transaction(self, shard: str, work: Callable[[AsyncClientSession], Awaitable[T]]) -> T:
        """Run `work` in a transaction on a registered shard; it may run more than once.

        Raises:
            MigrationLockLostError: another migration has taken over; nothing was changed.
            PyMongoError: as `work` or the commit raised it.
        """

        async def checked(session: AsyncClientSession) -> T:
            mine = _LOCK | {"epoch": self._epoch}
            held = await self._collection(shard).update_one(mine, {"$inc": {"steps": 1}}, session=session)
            if not held.matched_count:
                raise MigrationLockLostError
            return await work(session)

        async with self._clients[shard].start_session() as session:
            return await session.with_transaction(
                checked, read_concern=ReadConcern("local"), write_concern=_MAJORITY
            )

    async def send_heartbeats(self, over: asyncio.Event) -> None:
        """Record every second that this migration is alive, until `over` is set."""
        while not over.is_set():
            with contextlib.suppress(PyMongoError):
                await self._send_heartbeat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_INTERVAL_S):
                    await over.wait()

    async def _send_heartbeat(self) -> None:
        own = {"runner": self._runner, "epoch": self._epoch, "time": "$$NOW"}
        older = _HEARTBEAT | {"epoch": {"$lte": self._epoch}}
        with contextlib.suppress(DuplicateKeyError):
            await self._collection(self._first).update_one(older, [{"$set": own}], upsert=True)

    async def release(self) -> None:
        """Release the lock at once."""
        await self._collection(self._first).delete_one(_HEARTBEAT | {"epoch": self._epoch})

    async def _require_registered(self, shard: str) -> None:
        if await self._collection(shard).find_one(_LOCK | {"epoch": self._epoch}) is None:
            raise MigrationLockLostError

    def _collection(self, shard: str) -> AsyncCollection[dict[str, Any]]:
        return self._clients[shard][CLUSTER_DATABASE][MIGRATION_COLLECTION]


@contextlib.asynccontextmanager
async def hold_migration_lock(
    clients: Mapping[str, AdminClient], first: str, owner: str = ""
) -> AsyncIterator[MigrationLock]:
    """Take the lock on the map's first shard, renew it, and release it at the end.

    `owner` identifies this migration to waiting ones, before host and process. Raises MigrationRunningError
    while another migration is alive; a killed one is superseded after five seconds.
    """
    locks = clients[first][CLUSTER_DATABASE][MIGRATION_COLLECTION].with_options(write_concern=_MAJORITY)
    epoch = None
    while epoch is None:
        before = await _read_epoch(locks)
        await _wait_for_silence(locks)
        epoch = await _take_next_epoch(before, locks)
    lock = MigrationLock(clients, first, epoch, f"{owner} {socket.gethostname()}:{os.getpid()}".strip())
    over = asyncio.Event()
    beating = asyncio.create_task(lock.send_heartbeats(over))
    try:
        yield lock
    finally:
        # Not by a cancellation alone: the driver may swallow one.
        over.set()
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        with contextlib.suppress(PyMongoError):
            await lock.release()


async def _read_epoch(locks: AsyncCollection[dict[str, Any]]) -> int:
    found = await locks.find_one(_LOCK)
    return 0 if found is None else int(found["epoch"])


async def _take_next_epoch(before: int, locks: AsyncCollection[dict[str, Any]]) -> int | None:
    """Return the next epoch; None when another waiting migration has taken it."""
    unchanged = _LOCK | ({"epoch": before} if before else {})
    change = {"$setOnInsert": {"epoch": 1}} if not before else {"$inc": {"epoch": 1}}
    done = await locks.update_one(unchanged, change, upsert=not before)
    return before + 1 if done.modified_count or done.upserted_id else None


async def _wait_for_silence(locks: AsyncCollection[dict[str, Any]]) -> None:
    silent = {"$lt": ["$time", {"$subtract": ["$$NOW", int(HEARTBEAT_TIMEOUT_S * 1000)]}]}

    async def find_living() -> dict[str, Any] | None:
        heartbeat = await locks.find_one(_HEARTBEAT)
        if heartbeat is None or await locks.find_one(_HEARTBEAT | {"$expr": silent}) is not None:
            return None
        return heartbeat

    living = await wait_until_async(
        find_living,
        timeout_s=HEARTBEAT_TIMEOUT_S + 2 * HEARTBEAT_INTERVAL_S,
        interval_s=POLL_INTERVAL_S,
        is_done=lambda heartbeat: heartbeat is None,
    )
    if living is not None:
        raise MigrationRunningError(living["runner"])
