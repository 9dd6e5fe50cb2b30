"""A lease: one of many processes does some work; another takes over when the lease is not renewed."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from chassis.concurrency.tasks import best_effort, run_until_first_exit

LEASES_COLLECTION: Final = "leases"


class LeaseLostError(Exception):
    """Another process holds the lease now."""


class LeaderLease:
    """The lease `name` in a database's collection `leases`, wanted by `holder`.

    Times are the database's own, so the clocks of the processes need not agree. A holder that was paused for
    longer than `ttl_s` may work beside its successor for a moment, which the guarded work has to tolerate.
    """

    def __init__(
        self, leases: AsyncCollection[dict[str, Any]], name: str, holder: str, *, ttl_s: float = 6.0
    ) -> None:
        self._leases = leases
        self._key = {"_id": name, "slot": 0}
        self._holder = holder
        self._ttl_s = ttl_s

    async def run_while_held(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait until the lease is ours, run `work` while renewing it, and release it in the end.

        Raises LeaseLostError when another process took it over, and the errors of `work` and of the database.
        """
        while not await self._acquire_or_renew():  # noqa: ASYNC110 - the holder may have no time to say that it ends
            await asyncio.sleep(self._ttl_s / 3 * random.uniform(0.7, 1.3))  # noqa: S311
        try:
            await run_until_first_exit(work(), self._renew())
        finally:
            await best_effort(self._release())

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ttl_s / 3)
            if not await self._acquire_or_renew():
                raise LeaseLostError(self._key["_id"])

    async def _acquire_or_renew(self) -> bool:
        """Take the lease if it is free, or renew it if it is ours; return whether it is ours now."""
        # A lease that was never held has no `expires_at`, which sorts before every time.
        free = {"$lt": ["$expires_at", "$$NOW"]}
        may = {"$or": [free, {"$eq": ["$holder", self._holder]}]}
        until = {"$add": ["$$NOW", int(self._ttl_s * 1000)]}
        change = {
            "holder": {"$cond": [may, self._holder, "$holder"]},
            "expires_at": {"$cond": [may, until, "$expires_at"]},
        }
        try:
            lease = await self._leases.find_one_and_update(
                self._key, [{"$set": change}], upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:
            return False
        return lease is not None and lease["holder"] == self._holder

    async def _release(self) -> None:
        await self._leases.delete_one({**self._key, "holder": self._holder})
