"""The cache's entries on Redis Cluster: quick to give up, node by node, and batching reads under load."""

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Final, cast

from redis.asyncio.cluster import ClusterNode, PipelineCommand, RedisCluster
from redis.exceptions import RedisError

from chassis.redis.nodes import GuardedRedisNode, GuardedRedisNodes, StoreUnavailableError

ANSWER_TIMEOUT_S: Final = 0.05
MAX_CONCURRENT_READS: Final = 1
"""Per node; what comes while so many are on their way travels together, at a third of the cost."""
MAX_BATCH_KEYS: Final = 128
MAX_QUEUED_KEYS: Final = 2_048

_FILL_SCRIPT: Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) "
    "if ARGV[4] ~= '0' then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4]) "
    "else redis.call('UNLINK', KEYS[2]) end return 1 end return 0"
)


class RedisCacheStore:
    """A `CacheStore` on the cluster; a node that is down costs its own keys a moment, and then nothing.

    `on_detour` is told of each key whose entry could not be read from the node that should hold it.
    """

    def __init__(
        self,
        redis: RedisCluster,
        answer_within_s: float = ANSWER_TIMEOUT_S,
        on_detour: Callable[[str], None] = lambda _key: None,
    ) -> None:
        self._redis = redis
        self._nodes = GuardedRedisNodes(
            redis, lambda holder: _BatchingNode(redis, holder, answer_within_s, on_detour)
        )

    async def get(self, key: str) -> bytes | None:
        node = await self._nodes.of(key)
        return await node.get(key)

    async def claim(self, key: str, lease: bytes, ttl_s: float) -> bytes | None:
        node = await self._nodes.of(key)
        found = await node.asked(
            lambda: self._redis.set(key, lease, px=_milliseconds(ttl_s), nx=True, get=True)
        )
        return cast("bytes | None", found)

    async def fill(self, key: str, lease: bytes, entry: bytes, ttl_s: float, spare_s: float) -> bool:
        node = await self._nodes.of(key)
        lives_ms, spare_ms = str(_milliseconds(ttl_s)), str(round(spare_s * 1000))
        return bool(
            await node.asked(
                lambda: self._redis.eval(
                    _FILL_SCRIPT, 2, key, _stale_copy_key(key), lease, entry, lives_ms, spare_ms
                )
            )
        )

    async def spare(self, key: str) -> bytes | None:
        node = await self._nodes.of(key)
        return await node.get(_stale_copy_key(key))

    async def remove(self, key: str) -> None:
        node = await self._nodes.of(key)
        await node.asked(lambda: self._redis.unlink(key, _stale_copy_key(key)))

    async def aclose(self) -> None:
        await self._nodes.aclose()


class _BatchingNode(GuardedRedisNode):
    """The way to one node, and the reads that wait for their turn.

    Reads go to the node itself, for half of what the cluster client's search for the right node costs; the
    cluster client is asked when that turns out to be the wrong one.
    """

    def __init__(
        self,
        redis: RedisCluster,
        holder: ClusterNode,
        answer_within_s: float,
        on_detour: Callable[[str], None],
    ) -> None:
        super().__init__(holder, answer_within_s)
        self._on_detour = on_detour
        self._redis = redis
        self._reads = 0
        self._waiting: dict[str, list[asyncio.Future[bytes | None]]] = {}
        self._batches: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> bytes | None:
        """The value of a key, asked for alone when the node is idle, else together with others."""
        if self._reads < MAX_CONCURRENT_READS:
            return await self._get_alone(key)
        if len(self._waiting) >= MAX_QUEUED_KEYS:
            raise StoreUnavailableError("too many reads wait for the node", "busy", self.holder.name)
        turn: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(turn)
        return await turn

    async def _get_alone(self, key: str) -> bytes | None:
        self._reads += 1
        try:
            return await self.asked(lambda: self._read(key))
        finally:
            self._reads -= 1
            self._send_waiting()

    def _send_waiting(self) -> None:
        if not self._waiting:
            return
        keys = list(islice(self._waiting, MAX_BATCH_KEYS))
        batch = {key: self._waiting.pop(key) for key in keys}
        self._reads += 1
        task = asyncio.create_task(self._get_together(batch))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _get_together(self, batch: dict[str, list[asyncio.Future[bytes | None]]]) -> None:
        values: list[bytes | None] | StoreUnavailableError
        try:
            values = await self.asked(lambda: self._read_all(list(batch)))
        except StoreUnavailableError as error:
            values = error
        finally:
            self._reads -= 1
            self._send_waiting()
        _resolve_futures(list(batch.values()), values)

    async def _read(self, key: str) -> bytes | None:
        try:
            found = await self.holder.execute_command("GET", key)
        except (RedisError, OSError):
            self._on_detour(key)
            found = await self._redis.get(key)
        return cast("bytes | None", found)

    async def _read_all(self, keys: list[str]) -> list[bytes | None]:
        reads = [PipelineCommand(position, "GET", key) for position, key in enumerate(keys)]
        await self.holder.execute_pipeline(reads)
        if any(isinstance(read.result, Exception) for read in reads):
            return [await self._read(key) for key in keys]
        return [cast("bytes | None", read.result) for read in reads]


def _resolve_futures(
    turns: list[list["asyncio.Future[bytes | None]"]], values: list[bytes | None] | StoreUnavailableError
) -> None:
    for position, waiting in enumerate(turns):
        for turn in waiting:
            if turn.done():
                continue
            if isinstance(values, StoreUnavailableError):
                turn.set_exception(values)
            else:
                turn.set_result(values[position])


def _stale_copy_key(key: str) -> str:
    """In the same slot: the cluster looks at what is in braces."""
    return f"{{{key}}}:spare"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
