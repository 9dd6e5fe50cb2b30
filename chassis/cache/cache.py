"""Read-through caching of serialized answers: shared by all processes, with copies in each of them."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from chassis.cache.invalidation_stream import InvalidationSource, NoInvalidationSource
from chassis.cache.local_cache import DEFAULT_LOCAL_CACHE_POLICY, LocalCachePolicy, LocalEntryCache
from chassis.cache.pending_invalidations import PendingInvalidations
from chassis.cache.redis_store import RedisCacheStore
from chassis.cache.redis_tracking import RedisInvalidationSource
from chassis.cache.store import CacheStore
from chassis.call_context import current_call, mark_answer_stale, remaining_s
from chassis.concurrency.single_flight import SingleFlight, SingleFlightResult
from chassis.errors import UNAVAILABLE_REASONS, DomainError, unavailable
from chassis.observability.metrics import cache_requests
from chassis.redis import RedisCluster
from chassis.redis.nodes import StoreUnavailableError

_ANSWER_PREFIX: Final = b"a"
_NEGATIVE_ENTRY: Final = b"n"
_LEASE_PREFIX: Final = b"l"

_LOCAL_HIT = cache_requests.labels("near", "hit")
_HIT = cache_requests.labels("redis", "hit")
_NEGATIVE = cache_requests.labels("redis", "negative")
_MISS = cache_requests.labels("redis", "miss")
_BYPASS = cache_requests.labels("redis", "bypass")
_STALE = cache_requests.labels("redis", "stale")


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long entries live.

    - A load may take `lease_ttl_s` and still be cached.
    - For want of a newer answer, one is given that is up to `stale_copy_ttl_s` old.
    - A load may take `max_load_share` of a call's time; the rest is for giving a stale answer in its place.
    - Entries live for their time give or take the share `ttl_jitter`.
    - `local` is for the copies in each process.
    """

    lease_ttl_s: float = 5.0
    stale_copy_ttl_s: float = 600.0
    max_load_share: float = 0.8
    ttl_jitter: float = 0.1
    local: LocalCachePolicy = DEFAULT_LOCAL_CACHE_POLICY


DEFAULT_CACHE_POLICY: Final = CachePolicy()


@dataclass(frozen=True, slots=True)
class _LoadedAnswer:
    raw: bytes | None
    is_stale: bool = False


class Serializable(Protocol):
    """A message, or another object that serializes itself as one."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - the name that messages have
        """Return the bytes to cache."""
        ...


LoadAnswer = Callable[[], Awaitable[Serializable | None]]


class Cache:
    """A read-through cache of serialized answers under a namespace of its own.

    Without Redis every answer is loaded: slower, never an error. An answer is never older than its time to
    live, nor than the last `invalidate` of its key that this process made and Redis confirmed. Invalidations
    by other processes arrive within milliseconds, at the latest after the local cache's `max_age_s`.
    """

    def __init__(
        self,
        redis: RedisCluster | CacheStore,
        namespace: str,
        invalidations: InvalidationSource | None = None,
        policy: CachePolicy = DEFAULT_CACHE_POLICY,
    ) -> None:
        self._policy = policy
        if isinstance(redis, RedisCluster):
            self._local = LocalEntryCache(RedisInvalidationSource(redis, namespace), policy=policy.local)
            self._store: CacheStore = RedisCacheStore(redis, on_redirect=self._local.invalidate)
        else:
            self._local = LocalEntryCache(invalidations or NoInvalidationSource(), policy=policy.local)
            self._store = redis
        self._namespace = namespace
        self._single_flight: SingleFlight[_LoadedAnswer] = SingleFlight()
        self._pending = PendingInvalidations(self._store.remove)

    async def read_through(
        self,
        key: str,
        ttl_s: float,
        load: LoadAnswer,
        negative_ttl_s: float = 5.0,
    ) -> bytes | None:
        """Return the serialized answer for `key`, loaded on a miss; None when there is none.

        An answer is kept for `ttl_s`, the absence of one for `negative_ttl_s`, each give or take a tenth.
        `load` must not depend on the caller: many callers may share one load. Its errors are raised, except
        UNAVAILABLE, OVERLOADED and the like: then the last answer is served, up to ten minutes old, and the
        call is marked as stale.
        """
        name = f"{self._namespace}:{key}"
        local_copy = self._local.find(name)
        if local_copy is not None:
            _LOCAL_HIT.inc()
            return local_copy.answer
        read_mark = self._local.begin_read(name)
        entry = await self._entry(name)
        if entry is not None and entry[:1] != _LEASE_PREFIX:
            found = _decode_entry(entry)
            self._local.store(name, found, negative_ttl_s if found is None else ttl_s, read_mark)
            return found
        answer = await self._single_flight.load_once(
            name, lambda: self._load(name, ttl_s, load, negative_ttl_s)
        )
        if answer.is_stale:
            mark_answer_stale()
        return answer.raw

    async def invalidate(self, *keys: str) -> None:
        """Remove the answers for `keys`; call it after the change to what they show is committed.

        Never raises: a removal that Redis does not confirm is retried until it does, and until then this
        process does not read the entry.
        """
        await asyncio.gather(*(self._invalidate_one(f"{self._namespace}:{key}") for key in keys))

    async def aclose(self) -> None:
        """Stop background work; the Redis client stays open."""
        await self._local.aclose()
        await self._pending.aclose()
        await self._store.aclose()

    async def _entry(self, name: str) -> bytes | None:
        if name in self._pending:
            return None
        try:
            return await self._store.get(name)
        except StoreUnavailableError:
            return None

    async def _load(
        self,
        name: str,
        ttl_s: float,
        load: LoadAnswer,
        negative_ttl_s: float,
    ) -> "SingleFlightResult[_LoadedAnswer]":
        lease = _LEASE_PREFIX + secrets.token_bytes(12)
        try:
            found = await self._claim(name, lease)
        except StoreUnavailableError:
            _BYPASS.inc()
            raw = _serialize_or_none(await load())
            return SingleFlightResult(_LoadedAnswer(raw, is_stale=current_call().is_stale), is_shared=True)
        if found is not None and found[:1] != _LEASE_PREFIX:
            return SingleFlightResult(_LoadedAnswer(_decode_entry(found)), is_shared=True)
        _MISS.inc()
        answer = await self._load_or_stale_copy(name, load)
        if answer.is_stale:
            # Not stored: the answer may be older than a change whose invalidation has been processed already.
            return SingleFlightResult(answer, is_shared=True)
        if found is not None:
            return SingleFlightResult(answer, is_shared=await self._entry(name) == found)
        return SingleFlightResult(
            answer, is_shared=await self._fill(name, lease, answer.raw, ttl_s, negative_ttl_s)
        )

    async def _load_or_stale_copy(self, name: str, load: LoadAnswer) -> "_LoadedAnswer":
        try:
            async with asyncio.timeout(self._load_timeout_s()):
                raw = _serialize_or_none(await load())
                return _LoadedAnswer(raw, is_stale=current_call().is_stale)
        except (DomainError, TimeoutError) as error:
            if isinstance(error, DomainError) and error.reason not in UNAVAILABLE_REASONS:
                raise
            stale_copy = await self._stale_copy(name)
            if stale_copy is None:
                if isinstance(error, DomainError):
                    raise
                raise unavailable("What was asked for") from error
            _STALE.inc()
            return _LoadedAnswer(stale_copy[1:], is_stale=True)

    async def _stale_copy(self, name: str) -> bytes | None:
        if name in self._pending:
            return None
        try:
            return await self._store.get_stale_copy(name)
        except StoreUnavailableError:
            return None

    async def _claim(self, name: str, lease: bytes) -> bytes | None:
        if name in self._pending:
            raise StoreUnavailableError("an outdated entry may be there")
        return await self._store.claim_lease(name, lease, self._policy.lease_ttl_s)

    async def _fill(
        self, name: str, lease: bytes, answer: bytes | None, ttl_s: float, negative_ttl_s: float
    ) -> bool:
        """Return whether the entry was kept; False when the key was invalidated since the lease was taken."""
        if name in self._pending:
            return False
        try:
            if answer is None:
                return await self._store.fill(
                    name, lease, _NEGATIVE_ENTRY, self._jittered_ttl_s(negative_ttl_s), 0
                )
            return await self._store.fill(
                name,
                lease,
                _ANSWER_PREFIX + answer,
                self._jittered_ttl_s(ttl_s),
                self._policy.stale_copy_ttl_s,
            )
        except StoreUnavailableError:
            return True

    async def _invalidate_one(self, name: str) -> None:
        self._single_flight.forget(name)
        self._local.invalidate(name)
        try:
            await self._store.remove(name)
        except StoreUnavailableError:
            self._pending.add(name)
        except asyncio.CancelledError:
            # The caller has gone away, but the change is committed.
            self._pending.add(name)
            raise
        finally:
            # A value read during the removal may be older than the change, and its invalidation may still be
            # on its way.
            self._local.invalidate(name)

    def _load_timeout_s(self) -> float | None:
        left_s = remaining_s()
        return None if left_s is None else left_s * self._policy.max_load_share

    def _jittered_ttl_s(self, ttl_s: float) -> float:
        jitter = self._policy.ttl_jitter
        return ttl_s * random.uniform(1 - jitter, 1 + jitter)  # noqa: S311


def _decode_entry(entry: bytes) -> bytes | None:
    if entry == _NEGATIVE_ENTRY:
        _NEGATIVE.inc()
        return None
    _HIT.inc()
    return entry[1:]


def _serialize_or_none(message: Serializable | None) -> bytes | None:
    return None if message is None else message.SerializeToString()
