"""The counters: a port, and its adapter on Redis Cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any, Final, Protocol

from redis.asyncio.cluster import ClusterNode, PipelineCommand, RedisCluster
from redis.exceptions import AskError, MovedError, NoScriptError, TryAgainError

from chassis.concurrency.coalescing import Coalescer
from chassis.observability.logging import get_logger
from chassis.redis.nodes import GuardedRedisNode, GuardedRedisNodes, StoreUnavailableError
from gateway.ratelimit.searches import MAX_CONTINUATIONS, MAX_TYPING_PAUSE_S, SearchFingerprint, TypingSession
from gateway.ratelimit.sliding_window import MICROSECONDS_PER_SECOND, HitRun, WindowUsage

__all__ = ["CounterHit", "CounterResult", "CounterStore", "RedisCounterStore", "StoreUnavailableError"]

REDIS_TIMEOUT_S: Final = 0.025
MAX_BATCH_HITS: Final = 128
_MAX_CONCURRENT_BATCHES: Final = 1
"""Per node; what comes while a batch is under way travels together in the next, and takes one connection."""
_HIT_SCRIPT: Final = Path(__file__).with_name("hit.lua").read_text()
_HIT_SCRIPT_SHA: Final = sha1(_HIT_SCRIPT.encode(), usedforsecurity=False).hexdigest()

_NOT_EXECUTED_ERRORS: Final = (NoScriptError, MovedError, AskError, TryAgainError)
"""The node does not know the script or does not hold the key: nothing was counted, and the cluster client
knows what to do. After any other error it is uncertain; a hit rather goes uncounted than counts twice."""

_log = get_logger()


@dataclass(frozen=True, slots=True)
class CounterHit:
    """What is counted where; no hits only ask whether one would be admitted.

    Hits of a `search` that continues the last counted one under this key are admitted and not counted.
    """

    key: str
    hits: int
    limit: int
    window_us: int
    search: SearchFingerprint | None = None


@dataclass(frozen=True, slots=True)
class CounterResult:
    """Whether a hit was admitted, when by the store's clock, and what its counter holds since then.

    Of a refused search also the last counted one, which may still be continued.
    """

    admitted: bool
    now_us: int
    usage: WindowUsage
    typing: TypingSession | None = None


class CounterStore(Protocol):
    """Sliding windows by key, shared by all replicas."""

    async def count(self, hit: CounterHit) -> CounterResult:
        """Counts the hit if it keeps to the limit, else changes nothing. Raises StoreDownError."""
        ...


class RedisCounterStore:
    """Counters on the cluster; a node that is down costs its own keys their limits, and nobody any time."""

    def __init__(self, redis: RedisCluster, answer_within_s: float = REDIS_TIMEOUT_S) -> None:
        self._nodes = GuardedRedisNodes(redis, lambda holder: _CounterNode(redis, holder, answer_within_s))
        self._outages = OutageLog(lambda: {node.name for node in redis.get_primaries()})

    async def contact(self) -> None:
        """Gets to know the cluster, so that the first hit need not. Raises StoreDownError."""
        await self._nodes.node_for("")

    async def count(self, hit: CounterHit) -> CounterResult:
        try:
            node = await self._nodes.node_for(hit.key)
            count = await node.hits.submit(hit)
        except StoreUnavailableError as error:
            self._outages.failed(error)
            raise
        self._outages.answered(node.cluster_node.name)
        return count

    async def aclose(self) -> None:
        """Ends what runs in the background."""
        await self._nodes.aclose()


class OutageLog:
    """Logs when limits cease to be enforced and when they are again, once each, node by node.

    `holders` names the nodes that hold keys now: one whose keys another has taken over is not missed.
    """

    def __init__(self, holders: Callable[[], set[str]]) -> None:
        self._holders = holders
        self._down: set[str] = set()

    def failed(self, error: StoreUnavailableError) -> None:
        """No answer from a node, or from the whole cluster."""
        if error.node not in self._down:
            self._down.add(error.node)
            _log.warning("limits are not enforced", redis=error.node, cause=error.cause, error=str(error))

    def answered(self, node: str) -> None:
        """An answer from this node, and thereby from the cluster."""
        if not self._down:
            return
        missed = self._down & (self._holders() - {node})
        for each in self._down - missed:
            _log.info("limits are enforced again", redis=each)
        self._down = missed


class _CounterNode(GuardedRedisNode):
    """The way to one node's counters."""

    def __init__(self, redis: RedisCluster, cluster_node: ClusterNode, answer_timeout_s: float) -> None:
        super().__init__(cluster_node, answer_timeout_s)
        self._redis = redis
        self.hits: Coalescer[CounterHit, CounterResult] = Coalescer(
            self._count, max_concurrent=_MAX_CONCURRENT_BATCHES, max_batch=MAX_BATCH_HITS
        )

    async def _count(self, hits: Sequence[CounterHit]) -> list[CounterResult]:
        return await self.execute(lambda: self._ask(hits))

    async def _ask(self, hits: Sequence[CounterHit]) -> list[CounterResult]:
        commands = [
            PipelineCommand(position, "EVALSHA", _HIT_SCRIPT_SHA, *_script_arguments(hit))
            for position, hit in enumerate(hits)
        ]
        await self.cluster_node.execute_pipeline(commands)
        return [await self._read(hit, command.result) for hit, command in zip(hits, commands, strict=True)]

    async def _read(self, hit: CounterHit, result: Any) -> CounterResult:
        if isinstance(result, _NOT_EXECUTED_ERRORS):
            result = await self._redis.eval(_HIT_SCRIPT, *_script_arguments(hit))
        if isinstance(result, Exception):
            raise result
        admitted, now_us, *runs = result
        typing = _parse_typing_session(runs[6]) if len(runs) > 6 else None
        return CounterResult(
            bool(admitted), now_us, WindowUsage(HitRun(*runs[:3]), HitRun(*runs[3:6])), typing
        )


def _script_arguments(hit: CounterHit) -> tuple[Any, ...]:
    search = hit.search
    if search is None:
        return 1, hit.key, hit.hits, hit.limit, hit.window_us
    own = (search.text, search.others, MAX_CONTINUATIONS, MAX_TYPING_PAUSE_S * MICROSECONDS_PER_SECOND)
    # In braces: both keys lie in one slot of the cluster.
    return 2, hit.key, f"{{{hit.key}}}typing", hit.hits, hit.limit, hit.window_us, *own


def _parse_typing_session(stored: bytes | str) -> TypingSession | None:
    """The state that the script has kept; its text may hold spaces."""
    parts = (stored.decode() if isinstance(stored, bytes) else stored).split(" ", 3)
    if len(parts) < 4:
        return None
    return TypingSession(SearchFingerprint(parts[3], parts[2]), int(parts[1]), int(parts[0]))
