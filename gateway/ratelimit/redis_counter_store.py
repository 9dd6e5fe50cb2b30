"""The counters on Redis Cluster."""

from collections.abc import Callable, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

from redis.asyncio.cluster import ClusterNode, PipelineCommand, RedisCluster
from redis.exceptions import AskError, MovedError, NoScriptError, TryAgainError

from chassis.concurrency.coalescing import Coalescer
from chassis.observability.logging import get_logger
from chassis.redis.nodes import GuardedRedisNode, GuardedRedisNodes, StoreUnavailableError
from gateway.ratelimit.counter_store import CounterHit, CounterResult
from gateway.ratelimit.searches import MAX_CONTINUATIONS, MAX_TYPING_PAUSE_S, SearchFingerprint, TypingSession
from gateway.ratelimit.sliding_window import MICROSECONDS_PER_SECOND, HitRun, WindowUsage

REDIS_TIMEOUT_S: Final = 0.025
MAX_BATCH_HITS: Final = 128
_MAX_CONCURRENT_BATCHES: Final = 1
"""Per node; hits that arrive during a batch go together in the next one, over one connection."""
_HIT_SCRIPT: Final = Path(__file__).with_name("hit.lua").read_text()
_HIT_SCRIPT_SHA: Final = sha1(_HIT_SCRIPT.encode(), usedforsecurity=False).hexdigest()

_NOT_EXECUTED_ERRORS: Final = (NoScriptError, MovedError, AskError, TryAgainError)
"""The node does not know the script or does not hold the key: the hit was not counted, and the cluster client
handles it. After any other error that is uncertain, and an uncounted hit is better than one counted twice."""

_log = get_logger()


class RedisCounterStore:
    """Counters on the cluster.

    While a node is down its keys are not limited, and requests do not wait for it.
    """

    def __init__(self, redis: RedisCluster, timeout_s: float = REDIS_TIMEOUT_S) -> None:
        self._nodes = GuardedRedisNodes(
            redis, lambda cluster_node: _CounterNode(redis, cluster_node, timeout_s)
        )
        self._outages = OutageLog(lambda: {node.name for node in redis.get_primaries()})

    async def connect(self) -> None:
        """Discover the cluster ahead of the first hit. Raise StoreUnavailableError."""
        await self._nodes.node_for("")

    async def count(self, hit: CounterHit) -> CounterResult:
        try:
            node = await self._nodes.node_for(hit.key)
            count = await node.hits.submit(hit)
        except StoreUnavailableError as error:
            self._outages.record_failure(error)
            raise
        self._outages.record_success(node.cluster_node.name)
        return count

    async def aclose(self) -> None:
        """Stop the background tasks."""
        await self._nodes.aclose()


class OutageLog:
    """Logs once per node when its limits stop being enforced, and once when they are enforced again.

    `primaries` returns the nodes that hold keys now: a node whose keys moved to another is no outage.
    """

    def __init__(self, primaries: Callable[[], set[str]]) -> None:
        self._primaries = primaries
        self._down: set[str] = set()

    def record_failure(self, error: StoreUnavailableError) -> None:
        """Record that a node, or the whole cluster, did not answer."""
        if error.node not in self._down:
            self._down.add(error.node)
            _log.warning("limits are not enforced", redis=error.node, cause=error.cause, error=str(error))

    def record_success(self, node: str) -> None:
        """Record an answer from this node, and thereby from the cluster."""
        if not self._down:
            return
        missed = self._down & (self._primaries() - {node})
        for each in self._down - missed:
            _log.info("limits are enforced again", redis=each)
        self._down = missed


class _CounterNode(GuardedRedisNode):
    """The counters of one node."""

    def __init__(self, redis: RedisCluster, cluster_node: ClusterNode, timeout_s: float) -> None:
        super().__init__(cluster_node, timeout_s)
        self._redis = redis
        self.hits: Coalescer[CounterHit, CounterResult] = Coalescer(
            self._count_batch, max_concurrent=_MAX_CONCURRENT_BATCHES, max_batch=MAX_BATCH_HITS
        )

    async def _count_batch(self, hits: Sequence[CounterHit]) -> list[CounterResult]:
        return await self.execute(lambda: self._run_script(hits))

    async def _run_script(self, hits: Sequence[CounterHit]) -> list[CounterResult]:
        commands = [
            PipelineCommand(position, "EVALSHA", _HIT_SCRIPT_SHA, *_script_arguments(hit))
            for position, hit in enumerate(hits)
        ]
        await self.cluster_node.execute_pipeline(commands)
        return [
            await self._parse_result(hit, command.result) for hit, command in zip(hits, commands, strict=True)
        ]

    async def _parse_result(self, hit: CounterHit, result: Any) -> CounterResult:
        if isinstance(result, _NOT_EXECUTED_ERRORS):
            result = await self._redis.eval(_HIT_SCRIPT, *_script_arguments(hit))
        if isinstance(result, Exception):
            raise result
        admitted, now_us, *runs = result
        typing_session = _parse_typing_session(runs[6]) if len(runs) > 6 else None
        return CounterResult(
            bool(admitted), now_us, WindowUsage(HitRun(*runs[:3]), HitRun(*runs[3:6])), typing_session
        )


def _script_arguments(hit: CounterHit) -> tuple[Any, ...]:
    search = hit.search
    if search is None:
        return 1, hit.key, hit.hits, hit.limit, hit.window_us
    own = (
        search.text,
        search.filters_digest,
        MAX_CONTINUATIONS,
        MAX_TYPING_PAUSE_S * MICROSECONDS_PER_SECOND,
    )
    # The part in braces puts both keys into one slot of the cluster.
    return 2, hit.key, f"{{{hit.key}}}typing", hit.hits, hit.limit, hit.window_us, *own


def _parse_typing_session(stored: bytes | str) -> TypingSession | None:
    """Parse the session that the script stores; its text may have spaces."""
    parts = (stored.decode() if isinstance(stored, bytes) else stored).split(" ", 3)
    if len(parts) < 4:
        return None
    return TypingSession(SearchFingerprint(parts[3], parts[2]), int(parts[1]), int(parts[0]))
