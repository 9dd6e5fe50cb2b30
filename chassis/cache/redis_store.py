"""The cache's entries on Redis Cluster: short time-outs, a breaker per node, batched reads under load."""

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Final, cast

from redis.asyncio.cluster import ClusterNode, PipelineCommand, RedisCluster
from redis.exceptions import RedisError

from chassis.redis.nodes import GuardedRedisNode, GuardedRedisNodes, StoreUnavailableError

ANSWER_TIMEOUT_S: Final = 0.05
MAX_CONCURRENT_READS: Final = 1
"""Reads in flight per node; further ones go together as the next batch, at a third of the cost."""
MAX_BATCH_KEYS: Final = 128
MAX_QUEUED_KEYS: Final = 2_048

_FILL_SCRIPT: Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then "
    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) "
    "if ARGV[4] ~= '0' then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4]) "
    "else redis.call('UNLINK', KEYS[2]) end return 1 end return 0"
)


class RedisCacheStore:
    """`CacheStore` on Redis Cluster; a node that is down delays reads of its own keys for a moment only.

    `on_redirect` receives each key whose entry could not be read from the node that should hold it.
    """

    def __init__(
        self,
        redis: RedisCluster,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        on_redirect: Callable[[str], None] = lambda _key: None,
    ) -> None:
        self._redis = redis
        self._nodes = GuardedRedisNodes(
            redis, lambda cluster_node: _BatchingNode(redis, cluster_node, answer_timeout_s, on_redirect)
        )

    async def get(self, key: str) -> bytes | None:
        node = await self._nodes.node_for(key)
        return await node.get(key)

    async def claim_lease(self, key: str, lease: bytes, ttl_s: float) -> bytes | None:
        node = await self._nodes.node_for(key)
        found = await node.execute(
            lambda: self._redis.set(key, lease, px=_milliseconds(ttl_s), nx=True, get=True)
        )
        return cast("bytes | None", found)

    async def fill(self, key: str, lease: bytes, entry: bytes, ttl_s: float, stale_copy_ttl_s: float) -> bool:
        node = await self._nodes.node_for(key)
        lives_ms, spare_ms = str(_milliseconds(ttl_s)), str(round(stale_copy_ttl_s * 1000))
        return bool(
            await node.execute(
                lambda: self._redis.eval(
                    _FILL_SCRIPT, 2, key, _stale_copy_key(key), lease, entry, lives_ms, spare_ms
                )
            )
        )

    async def get_stale_copy(self, key: str) -> bytes | None:
        node = await self._nodes.node_for(key)
        return await node.get(_stale_copy_key(key))

    async def remove(self, key: str) -> None:
        node = await self._nodes.node_for(key)
        await node.execute(lambda: self._redis.unlink(key, _stale_copy_key(key)))

    async def aclose(self) -> None:
        await self._nodes.aclose()


class _BatchingNode(GuardedRedisNode):
    """The connection to one node, and the reads that wait for the next batch.

    Reads go to the node itself, which costs half of the cluster client's search for the right node; the
    cluster client is used when the key has moved to another node.
    """

    def __init__(
        self,
        redis: RedisCluster,
        cluster_node: ClusterNode,
        answer_timeout_s: float,
        on_redirect: Callable[[str], None],
    ) -> None:
        super().__init__(cluster_node, answer_timeout_s)
        self._on_redirect = on_redirect
        self._redis = redis
        self._reads_in_flight = 0
        self._waiting: dict[str, list[asyncio.Future[bytes | None]]] = {}
        self._batches: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key: read alone when the node is idle, else in the next batch."""
        if self._reads_in_flight < MAX_CONCURRENT_READS:
            return await self._get_single(key)
        if len(self._waiting) >= MAX_QUEUED_KEYS:
            raise StoreUnavailableError("too many reads wait for the node", "busy", self.cluster_node.name)
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        return await future

    async def _get_single(self, key: str) -> bytes | None:
        self._reads_in_flight += 1
        try:
            return await self.execute(lambda: self._read(key))
        finally:
            self._reads_in_flight -= 1
            self._send_waiting()

    def _send_waiting(self) -> None:
        if not self._waiting:
            return
        keys = list(islice(self._waiting, MAX_BATCH_KEYS))
        batch = {key: self._waiting.pop(key) for key in keys}
        self._reads_in_flight += 1
        task = asyncio.create_task(self._get_batch(batch))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _get_batch(self, batch: dict[str, list[asyncio.Future[bytes | None]]]) -> None:
        values: list[bytes | None] | StoreUnavailableError
        try:
            values = await self.execute(lambda: self._read_all(list(batch)))
        except StoreUnavailableError as error:
            values = error
        finally:
            self._reads_in_flight -= 1
            self._send_waiting()
        _resolve_futures(list(batch.values()), values)

    async def _read(self, key: str) -> bytes | None:
        try:
            found = await self.cluster_node.execute_command("GET", key)
        except (RedisError, OSError):
            self._on_redirect(key)
            found = await self._redis.get(key)
        return cast("bytes | None", found)

    async def _read_all(self, keys: list[str]) -> list[bytes | None]:
        reads = [PipelineCommand(position, "GET", key) for position, key in enumerate(keys)]
        await self.cluster_node.execute_pipeline(reads)
        if any(isinstance(read.result, Exception) for read in reads):
            return [await self._read(key) for key in keys]
        return [cast("bytes | None", read.result) for read in reads]


def _resolve_futures(
    futures: list[list["asyncio.Future[bytes | None]"]], values: list[bytes | None] | StoreUnavailableError
) -> None:
    for position, waiting in enumerate(futures):
        for future in waiting:
            if future.done():
                continue
            if isinstance(values, StoreUnavailableError):
                future.set_exception(values)
            else:
                future.set_result(values[position])


def _stale_copy_key(key: str) -> str:
    """Return the key of the stale copy, in the same slot: the cluster hashes the part in braces."""
    return f"{{{key}}}:spare"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
