"""The nodes of a Redis Cluster, each with a circuit breaker: one that is down affects its own keys only."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Literal, TypeVar

from chassis.concurrency.circuit_breaker import BreakerPolicy, CircuitBreaker
from chassis.redis.client import REDIS_ERRORS
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import TimeoutError as RedisTimeoutError

T = TypeVar("T")
N = TypeVar("N", bound="GuardedRedisNode")

NODE_BREAKER_POLICY: Final = BreakerPolicy(
    failures_to_open=5, failure_window_s=math.inf, open_duration_s=math.inf, is_reset_by_success=True
)
"""Opens after 5 failures in a row; a PING that is answered closes it, and no call is risked before."""
PROBE_INTERVAL_S: Final = 0.1
PROBE_TIMEOUT_S: Final = 1.0
FIRST_CONTACT_TIMEOUT_S: Final = 1.0
CONTACT_INTERVAL_S: Final = 0.1
TOPOLOGY_REFRESH_INTERVAL_S: Final = 1.0

UnavailableCause = Literal["unreached", "open", "slow", "error", "busy"]


class StoreUnavailableError(Exception):
    """The store did not answer in time; continue without it.

    `cause` is `unreached` (the cluster), `open` (the node's circuit), `slow`, `error`, or `busy` (too many
    calls wait for the node). `node` is its `host:port`, "" for the whole cluster.
    """

    def __init__(self, message: str, cause: UnavailableCause = "error", node: str = "") -> None:
        super().__init__(message)
        self.cause = cause
        self.node = node


class GuardedRedisNode:
    """The connection to one node: commands have a time-out, and fail at once while the circuit is open.

    The circuit opens after 5 failures in a row, and closes at the first answer to a PING, sent every 100 ms.
    """

    def __init__(self, cluster_node: ClusterNode, answer_timeout_s: float) -> None:
        self.cluster_node = cluster_node
        self.breaker = CircuitBreaker(
            f"The Redis node {cluster_node.name}",
            label=f"redis/{cluster_node.name}",
            policy=NODE_BREAKER_POLICY,
        )
        self._answer_timeout_s = answer_timeout_s
        self._probing: asyncio.Task[None] | None = None

    async def execute(self, command: Callable[[], Awaitable[T]]) -> T:
        """Return the command's answer. Raises StoreUnavailableError."""
        if self.breaker.is_open:
            raise self._unavailable("the node does not answer", "open")
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                answer = await command()
        except REDIS_ERRORS as error:
            self._record_failure()
            cause: UnavailableCause = (
                "slow" if isinstance(error, TimeoutError | RedisTimeoutError) else "error"
            )
            raise self._unavailable("the node did not answer", cause) from error
        self.breaker.record_success()
        return answer

    def stop(self) -> None:
        """End the probing."""
        if self._probing is not None:
            self._probing.cancel()

    def _record_failure(self) -> None:
        self.breaker.record_failure()
        if self.breaker.is_open and self._probing is None:
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        # Past the cluster client: it would look at the whole cluster again after each failure.
        while not await self._answers():  # noqa: ASYNC110 - nobody tells when a node is back
            await asyncio.sleep(PROBE_INTERVAL_S * random.uniform(0.8, 1.2))  # noqa: S311
        self._probing = None
        self.breaker.close()

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self.cluster_node.execute_command("PING")
        except REDIS_ERRORS:
            return False
        return True

    def _unavailable(self, message: str, cause: UnavailableCause) -> StoreUnavailableError:
        return StoreUnavailableError(message, cause, self.cluster_node.name)


class GuardedRedisNodes(Generic[N]):
    """The nodes by the keys that they hold; each is made by `create_node` on first use."""

    def __init__(self, redis: RedisCluster, create_node: Callable[[ClusterNode], N]) -> None:
        self._redis = redis
        self._create_node = create_node
        self._nodes: dict[str, N] = {}
        self._next_contact = 0.0
        self._refreshing: asyncio.Task[None] | None = None

    async def node_for(self, key: str) -> N:
        """Return the node that holds `key`.

        Raises StoreUnavailableError while the cluster cannot be reached.
        """
        holder = self._find_node(key) or await self._connect_and_find(key)
        node = self._nodes.get(holder.name)
        if node is None or node.cluster_node is not holder:
            node = self._replace(node, holder)
        if node.breaker.is_open and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._refresh_topology())
        return node

    async def aclose(self) -> None:
        """Stop probing nodes that are down."""
        for node in self._nodes.values():
            node.stop()
        if self._refreshing is not None:
            self._refreshing.cancel()

    async def _refresh_topology(self) -> None:
        """Read the cluster's nodes again: a node that is down for good may have a successor."""
        await asyncio.sleep(TOPOLOGY_REFRESH_INTERVAL_S)
        with contextlib.suppress(*REDIS_ERRORS):
            async with asyncio.timeout(FIRST_CONTACT_TIMEOUT_S):
                await self._redis.nodes_manager.initialize()

    def _replace(self, before: N | None, holder: ClusterNode) -> N:
        if before is not None:
            before.stop()
        node = self._nodes[holder.name] = self._create_node(holder)
        return node

    def _find_node(self, key: str) -> ClusterNode | None:
        try:
            return self._redis.get_node_from_key(key)
        except REDIS_ERRORS:
            return None

    async def _connect_and_find(self, key: str) -> ClusterNode:
        """Connect and find a key's node; one caller tries, every 100 ms at most, and others do not wait."""
        now = time.monotonic()
        if now < self._next_contact:
            raise StoreUnavailableError("the cluster has not been reached yet", "unreached")
        self._next_contact = now + FIRST_CONTACT_TIMEOUT_S
        try:
            async with asyncio.timeout(FIRST_CONTACT_TIMEOUT_S):
                await self._redis.initialize()
        except REDIS_ERRORS as error:
            raise StoreUnavailableError("the cluster cannot be reached", "unreached") from error
        finally:
            self._next_contact = time.monotonic() + CONTACT_INTERVAL_S
        holder = self._find_node(key)
        if holder is None:
            raise StoreUnavailableError("no node holds this key", "unreached")
        return holder
