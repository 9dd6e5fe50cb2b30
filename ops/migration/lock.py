"""One mover at a time: each takes the next epoch, and a shard lets nobody of an earlier one change anything.

The first shard of the slot map holds the claim and its pulse. Every shard that takes part is told the epoch;
a mover that was paused and has been succeeded meanwhile finds it changed in the transaction of its next step.
"""

import asyncio
import contextlib
import os
import socket
import time
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

T = TypeVar("T")

MIGRATION_COLLECTION: Final = "mover"
HEARTBEAT_TIMEOUT_S: Final = 5.0
"""A mover that has not been heard of for so long is succeeded."""
HEARTBEAT_INTERVAL_S: Final = 1.0
POLL_INTERVAL_S: Final = 0.2
_LOCK: Final = {"_id": "claim"}
_HEARTBEAT: Final = {"_id": "pulse"}
_MAJORITY: Final = WriteConcern("majority")


class MigrationLockLostError(OpsError):
    """Another mover has taken over; this one must change nothing any more."""

    def __init__(self) -> None:
        super().__init__("another mover has taken over from this one; see: ic shards list")


class MigrationRunningError(OpsError):
    """Another mover is at work, and alive."""

    def __init__(self, runner: str) -> None:
        super().__init__(f"{runner} is moving slots at this moment; wait until it has ended")


class MigrationLock:
    """The right to change the slot map and to move documents; see `held`."""

    def __init__(self, clients: Mapping[str, AdminClient], first: str, epoch: int, runner: str) -> None:
        self._clients = clients
        self._first = first
        self._epoch = epoch
        self._runner = runner

    async def spread(self, *shards: str) -> None:
        """Tells shards that take part. Raises SucceededError."""
        for shard in shards:
            claims = self._mover(shard).with_options(write_concern=_MAJORITY)
            earlier = _LOCK | {"epoch": {"$lt": self._epoch}}
            try:
                await claims.update_one(earlier, {"$set": {"epoch": self._epoch}}, upsert=True)
            except DuplicateKeyError:
                await self._must_be_told(shard)

    async def under(self, shard: str, work: Callable[[AsyncClientSession], Awaitable[T]]) -> T:
        """Runs `work` in a transaction on a shard that has been told; it may run more than once.

        Raises:
            SucceededError: another mover has taken over; nothing was changed.
            PyMongoError: as `work` or the commit raised it.
        """

        async def checked(session: AsyncClientSession) -> T:
            mine = _LOCK | {"epoch": self._epoch}
            held = await self._mover(shard).update_one(mine, {"$inc": {"steps": 1}}, session=session)
            if not held.matched_count:
                raise MigrationLockLostError
            return await work(session)

        async with self._clients[shard].start_session() as session:
            return await session.with_transaction(
                checked, read_concern=ReadConcern("local"), write_concern=_MAJORITY
            )

    async def beat(self, over: asyncio.Event) -> None:
        """Says every second that this mover is alive, until it is over."""
        while not over.is_set():
            with contextlib.suppress(PyMongoError):
                await self._beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_INTERVAL_S):
                    await over.wait()

    async def _beat(self) -> None:
        own = {"runner": self._runner, "epoch": self._epoch, "time": "$$NOW"}
        older = _HEARTBEAT | {"epoch": {"$lte": self._epoch}}
        with contextlib.suppress(DuplicateKeyError):
            await self._mover(self._first).update_one(older, [{"$set": own}], upsert=True)

    async def release(self) -> None:
        """Lets another one begin at once."""
        await self._mover(self._first).delete_one(_HEARTBEAT | {"epoch": self._epoch})

    async def _must_be_told(self, shard: str) -> None:
        if await self._mover(shard).find_one(_LOCK | {"epoch": self._epoch}) is None:
            raise MigrationLockLostError

    def _mover(self, shard: str) -> AsyncCollection[dict[str, Any]]:
        return self._clients[shard][CLUSTER_DATABASE][MIGRATION_COLLECTION]


@contextlib.asynccontextmanager
async def hold_migration_lock(
    clients: Mapping[str, AdminClient], first: str, who: str = ""
) -> AsyncIterator[MigrationLock]:
    """Takes the claim on the map's first shard, keeps it alive, and lets it go at the end.

    `who` is told to those who have to wait, before the host and process. Raises BusyError when another mover
    is at work; one that was killed is succeeded after five seconds.
    """
    claims = clients[first][CLUSTER_DATABASE][MIGRATION_COLLECTION].with_options(write_concern=_MAJORITY)
    epoch = None
    while epoch is None:
        before = await _read_epoch(claims)
        await _wait_for_silence(claims)
        epoch = await _take_next_epoch(before, claims)
    claim = MigrationLock(clients, first, epoch, f"{who} {socket.gethostname()}:{os.getpid()}".strip())
    over = asyncio.Event()
    beating = asyncio.create_task(claim.beat(over))
    try:
        yield claim
    finally:
        # Not by a cancellation alone: the driver may swallow one.
        over.set()
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        with contextlib.suppress(PyMongoError):
            await claim.release()


async def _read_epoch(claims: AsyncCollection[dict[str, Any]]) -> int:
    found = await claims.find_one(_LOCK)
    return 0 if found is None else int(found["epoch"])


async def _take_next_epoch(before: int, claims: AsyncCollection[dict[str, Any]]) -> int | None:
    """The next epoch; None when somebody else, who has waited too, has taken it."""
    unchanged = _LOCK | ({"epoch": before} if before else {})
    change = {"$setOnInsert": {"epoch": 1}} if not before else {"$inc": {"epoch": 1}}
    done = await claims.update_one(unchanged, change, upsert=not before)
    return before + 1 if done.modified_count or done.upserted_id else None


async def _wait_for_silence(claims: AsyncCollection[dict[str, Any]]) -> None:
    silent = {"$lt": ["$time", {"$subtract": ["$$NOW", int(HEARTBEAT_TIMEOUT_S * 1000)]}]}
    until = time.monotonic() + HEARTBEAT_TIMEOUT_S + 2 * HEARTBEAT_INTERVAL_S
    while (pulse := await claims.find_one(_HEARTBEAT)) is not None:
        if await claims.find_one(_HEARTBEAT | {"$expr": silent}) is not None:
            return
        if time.monotonic() > until:
            raise MigrationRunningError(pulse["runner"])
        await asyncio.sleep(POLL_INTERVAL_S)
