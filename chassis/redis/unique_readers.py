"""Unique readers of a subject per day, counted without storing who they are.

For each subject and day Redis holds a HyperLogLog (at most 12 KiB, exact to one percent), so the repeats of
one reader count once, whichever process records them. A reader is added as a hash with the day's salt:
random, in Redis only, deleted two days later. So afterwards no one can find out who read, or whether a reader
came again another day.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from zlib import crc32

from chassis.client_network import find_client_networks
from chassis.clock import Clock
from redis.asyncio.cluster import RedisCluster

RETENTION: Final = timedelta(days=2)
CHANGED_BUCKETS: Final = 16
"""Sets of subjects whose counts have changed; several, to spread them over the nodes."""
MAX_USUAL_ADDRESS_CHARS: Final = 64
"""Longer texts are no addresses, and are not remembered."""


class SubjectDay(NamedTuple):
    """A subject (its ID) and the day, ISO 8601."""

    subject: str
    day: str


def anonymous_reader_key(address: str, user_agent: str) -> str:
    """Return the key of an anonymous reader, from user agent and client network."""
    is_usual = len(address) <= MAX_USUAL_ADDRESS_CHARS
    network = _find_usual_network(address) if is_usual else find_client_networks(address)[0]
    return f"{network} {user_agent}"


@lru_cache(8_192)
def _find_usual_network(address: str) -> str:
    return find_client_networks(address)[0]


class UniqueReaderCounter:
    """Counts readers. Errors of Redis are raised to the caller."""

    def __init__(self, redis: RedisCluster, clock: Clock, namespace: str = "readers") -> None:
        self._redis: Any = redis
        self._namespace = namespace
        self._clock = clock
        self._salts: dict[str, bytes] = {}

    async def record_reads(self, reads: Iterable[tuple[str, str]]) -> None:
        """Record that subjects were read, each by one reader; a repeat changes nothing."""
        day = self._clock.now().date().isoformat()
        salt = await self._salt(day)
        by_subject: dict[str, set[bytes]] = defaultdict(set)
        for subject, reader in reads:
            by_subject[subject].add(blake2b(reader.encode(), key=salt, digest_size=8).digest())
        pipeline = self._redis.pipeline()
        for subject, hashes in by_subject.items():
            pipeline.pfadd(self._counter(SubjectDay(subject, day)), *hashes)
        is_new = await pipeline.execute()
        await self.requeue_changed(
            [SubjectDay(each, day) for each, new in zip(by_subject, is_new, strict=True) if new]
        )

    async def requeue_changed(self, readings: Sequence[SubjectDay]) -> None:
        """Mark these subjects as changed, so that their counts are collected again."""
        pipeline = self._redis.pipeline()
        for reading in readings:
            pipeline.expire(self._counter(reading), RETENTION)
            pipeline.sadd(
                self._changed(crc32(reading.subject.encode()) % CHANGED_BUCKETS),
                f"{reading.day} {reading.subject}",
            )
        if readings:
            await pipeline.execute()

    async def pop_changed(self, limit: int) -> list[SubjectDay]:
        """Return subjects with new readers, at most `limit` of each bucket, and unmark them."""
        found: list[SubjectDay] = []
        for bucket in range(CHANGED_BUCKETS):
            members = await self._redis.spop(self._changed(bucket), limit) or ()
            for member in members:
                day, _, subject = bytes(member).decode().partition(" ")
                found.append(SubjectDay(subject, day))
        return found

    async def counts(self, readings: Sequence[SubjectDay]) -> Mapping[SubjectDay, int]:
        """Return the number of unique readers of each subject and day."""
        pipeline = self._redis.pipeline()
        for reading in readings:
            # The client refuses this command in pipelines, since it may name keys of several nodes.
            pipeline.execute_command("PFCOUNT", self._counter(reading))
        counted = await pipeline.execute() if readings else []
        return dict(zip(readings, map(int, counted), strict=True))

    def _counter(self, reading: SubjectDay) -> str:
        return f"{self._namespace}:{reading.subject}:{reading.day}"

    def _changed(self, bucket: int) -> str:
        return f"{self._namespace}:changed:{bucket}"

    async def _salt(self, day: str) -> bytes:
        if day not in self._salts:
            key = f"{self._namespace}:salt:{day}"
            await self._redis.set(key, secrets.token_bytes(32), nx=True, ex=RETENTION)
            self._salts = {day: bytes(await self._redis.get(key))}
        return self._salts[day]
