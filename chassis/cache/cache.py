"""Read-through caching of serialized answers, shared by all processes of a service."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from google.protobuf.message import Message
from redis.asyncio.cluster import RedisCluster

from chassis.cache.flights import Flights, Landed
from chassis.cache.owed import OwedRemovals
from chassis.cache.redis_store import RedisStore
from chassis.cache.store import CacheStore, StoreDownError
from chassis.observability.metrics import cache_requests

LEASE_TTL_S: Final = 5.0
"""How long a load may take and still be cached."""
JITTER: Final = 0.1

_ANSWER: Final = b"a"
_NOTHING: Final = b"n"
_LEASE: Final = b"l"

_HIT = cache_requests.labels("redis", "hit")
_NEGATIVE = cache_requests.labels("redis", "negative")
_MISS = cache_requests.labels("redis", "miss")
_BYPASS = cache_requests.labels("redis", "bypass")


class Cache:
    """Answers by key under a namespace of their own.

    Without Redis every answer is loaded: slower, never an error. An answer is never older than the last
    `drop` of its key that Redis has confirmed, nor than its time to live.
    """

    def __init__(self, redis: RedisCluster | CacheStore, namespace: str) -> None:
        self._store: CacheStore = RedisStore(redis) if isinstance(redis, RedisCluster) else redis
        self._namespace = namespace
        self._flights: Flights[bytes | None] = Flights()
        self._owed = OwedRemovals(self._store.remove)

    async def read_through(
        self,
        key: str,
        ttl_s: float,
        load: Callable[[], Awaitable[Message | None]],
        negative_ttl_s: float = 5.0,
    ) -> bytes | None:
        """The serialized answer for `key`, loaded when it is not there; None when there is none.

        Answers live for `ttl_s`, the knowledge that there is none for `negative_ttl_s`, give or take a
        tenth. `load` must not depend on the caller: many callers may share one load. Its errors are raised.
        """
        name = f"{self._namespace}:{key}"
        entry = await self._entry(name)
        if entry is not None and entry[:1] != _LEASE:
            return _opened(entry)
        return await self._flights.join(name, lambda: self._load(name, ttl_s, load, negative_ttl_s))

    async def drop(self, *keys: str) -> None:
        """Forgets the answers for `keys`: call it after the change to what they show is committed.

        Never fails: what Redis does not confirm now is tried again until it does, and is meanwhile not
        read by this process.
        """
        await asyncio.gather(*(self._drop(f"{self._namespace}:{key}") for key in keys))

    async def aclose(self) -> None:
        """Ends what runs in the background; the Redis client stays open."""
        await self._owed.aclose()
        await self._store.aclose()

    async def _entry(self, name: str) -> bytes | None:
        if name in self._owed:
            return None
        try:
            return await self._store.get(name)
        except StoreDownError:
            return None

    async def _load(
        self, name: str, ttl_s: float, load: Callable[[], Awaitable[Message | None]], negative_ttl_s: float
    ) -> Landed[bytes | None]:
        lease = _LEASE + secrets.token_bytes(12)
        try:
            found = await self._claim(name, lease)
        except StoreDownError:
            _BYPASS.inc()
            return Landed(_serialized(await load()), shared=True)
        if found is not None and found[:1] != _LEASE:
            return Landed(_opened(found), shared=True)
        _MISS.inc()
        answer = _serialized(await load())
        if found is not None:
            return Landed(answer, shared=await self._entry(name) == found)
        entry, lifetime_s = (_NOTHING, negative_ttl_s) if answer is None else (_ANSWER + answer, ttl_s)
        return Landed(answer, shared=await self._fill(name, lease, entry, lifetime_s))

    async def _claim(self, name: str, lease: bytes) -> bytes | None:
        if name in self._owed:
            raise StoreDownError("an outdated entry may be there")
        return await self._store.claim(name, lease, LEASE_TTL_S)

    async def _fill(self, name: str, lease: bytes, entry: bytes, ttl_s: float) -> bool:
        """False when the key was dropped since the lease was taken: then others must load again."""
        if name in self._owed:
            return False
        try:
            return await self._store.fill(name, lease, entry, _jittered(ttl_s))
        except StoreDownError:
            return True

    async def _drop(self, name: str) -> None:
        self._flights.leave(name)
        try:
            await self._store.remove(name)
        except StoreDownError:
            self._owed.add(name)
        except asyncio.CancelledError:
            # The caller has gone away, but the change is committed.
            self._owed.add(name)
            raise


def _opened(entry: bytes) -> bytes | None:
    if entry == _NOTHING:
        _NEGATIVE.inc()
        return None
    _HIT.inc()
    return entry[1:]


def _serialized(message: Message | None) -> bytes | None:
    return None if message is None else message.SerializeToString()


def _jittered(ttl_s: float) -> float:
    return ttl_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
