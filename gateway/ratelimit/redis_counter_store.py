"""The counters on Redis Cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

from redis.asyncio.cluster import ClusterNode, PipelineCommand, RedisCluster
from redis.exceptions import AskError, MovedError, NoScriptError, TryAgainError

from chassis.concurrency.coalescing import Coalescer
from chassis.observability.logging import get_logger
from chassis.redis.nodes import GuardedRedisNode, GuardedRedisNodes, StoreUnavailableError
from gateway.ratelimit.counter_store import CounterHit, CounterResult, LeaseRequest, LeaseResult
from gateway.ratelimit.sliding_window import HitRun, WindowUsage

REDIS_TIMEOUT_S: Final = 0.025
MAX_BATCH_HITS: Final = 128
_MAX_CONCURRENT_BATCHES: Final = 1
"""Per node; hits that arrive during a batch go together in the next one, over one connection."""
_FOLDER: Final = Path(__file__).parent

_NOT_EXECUTED_ERRORS: Final = (NoScriptError, MovedError, AskError, TryAgainError)
"""The node does not know the script or does not hold the key: the hit was not counted, and the cluster client
handles it. After any other error that is uncertain, and an uncounted hit is better than one counted twice."""

_log = get_logger()


class CounterScript:
    """A script that runs at the counters, by its name."""

    def __init__(self, name: str) -> None:
        self.source = "\n".join((_FOLDER / part).read_text() for part in ("counter.lua", name))
        self.sha = sha1(self.source.encode(), usedforsecurity=False).hexdigest()


HIT_SCRIPT: Final = CounterScript("hit.lua")
LEASE_SCRIPT: Final = CounterScript("lease.lua")


@dataclass(frozen=True, slots=True)
class _Command:
    """One run of a script on a counter."""

    script: CounterScript
    key: str
    arguments: tuple[int, ...]


_Answer = tuple[int, int, WindowUsage]
"""The head of a script's answer, the time, and the counter."""


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
        command = _Command(HIT_SCRIPT, hit.key, (hit.hits, hit.limit, hit.window_us))
        admitted, now_us, usage = await self._execute(command)
        return CounterResult(bool(admitted), now_us, usage)

    async def lease(self, request: LeaseRequest) -> LeaseResult:
        reported = (request.owed, request.returned, request.run_us, request.wanted)
        command = _Command(LEASE_SCRIPT, request.key, (*reported, request.limit, request.window_us))
        return LeaseResult(*await self._execute(command))

    async def _execute(self, command: _Command) -> _Answer:
        try:
            node = await self._nodes.node_for(command.key)
            answer = await node.commands.submit(command)
        except StoreUnavailableError as error:
            self._outages.record_failure(error)
            raise
        self._outages.record_success(node.cluster_node.name)
        return answer

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
        self.commands: Coalescer[_Command, _Answer] = Coalescer(
            self._execute_batch, max_concurrent=_MAX_CONCURRENT_BATCHES, max_batch=MAX_BATCH_HITS
        )

    async def _execute_batch(self, commands: Sequence[_Command]) -> list[_Answer]:
        return await self.execute(lambda: self._run_scripts(commands))

    async def _run_scripts(self, commands: Sequence[_Command]) -> list[_Answer]:
        pipeline = [
            PipelineCommand(position, "EVALSHA", each.script.sha, 1, each.key, *each.arguments)
            for position, each in enumerate(commands)
        ]
        await self.cluster_node.execute_pipeline(pipeline)
        return [
            await self._parse_result(command, ran.result)
            for command, ran in zip(commands, pipeline, strict=True)
        ]

    async def _parse_result(self, command: _Command, result: Any) -> _Answer:
        if isinstance(result, _NOT_EXECUTED_ERRORS):
            result = await self._redis.eval(command.script.source, 1, command.key, *command.arguments)
        if isinstance(result, Exception):
            raise result
        head, now_us, *runs = result
        return head, now_us, WindowUsage(HitRun(*runs[:3]), HitRun(*runs[3:6]))
