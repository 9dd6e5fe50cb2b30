"""Invalidations from each Redis node: client-side caching in broadcasting mode."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from chassis.cache.invalidation_stream import InvalidationListener, InvalidationStream
from chassis.concurrency.backoff import Backoff
from chassis.observability.metrics import cache_tracking
from chassis.redis.client import REDIS_ERRORS

BEGIN_TIMEOUT_S: Final = 1.0
MIN_RECONNECT_PAUSE_S: Final = 0.1
MAX_RECONNECT_PAUSE_S: Final = 5.0
_INVALIDATE_PUSH: Final = b"invalidate"


class RedisInvalidationSource:
    """`InvalidationSource` over the keys of one namespace, node by node.

    A node is tracked from the first read of one of its keys on, so a process that never reads opens no
    connection. When the cluster client replaces its object of a node, that node's stream ends.
    """

    def __init__(self, redis: RedisCluster, namespace: str) -> None:
        self._redis = redis
        self._prefix = f"{namespace}:"
        self._listeners: list[InvalidationListener] = []
        self._nodes: dict[str, _TrackedNode] = {}
        self._is_closed = False

    def subscribe(self, listener: InvalidationListener) -> None:
        self._listeners.append(listener)

    def stream_for(self, key: str) -> InvalidationStream | None:
        try:
            holder = self._redis.get_node_from_key(key)
        except REDIS_ERRORS:
            return None
        if holder is None or self._is_closed:
            return None
        node = self._nodes.get(holder.name)
        if node is None or node.cluster_node is not holder:
            node = self._track(holder, instead_of=node)
        return node.stream

    async def aclose(self) -> None:
        self._is_closed = True
        await asyncio.gather(*(node.aclose() for node in self._nodes.values()))

    def _track(self, holder: ClusterNode, *, instead_of: "_TrackedNode | None") -> "_TrackedNode":
        if instead_of is not None:
            instead_of.stop()
        node = self._nodes[holder.name] = _TrackedNode(self._redis, holder, self._prefix, self._listeners)
        return node


class _TrackedNode:
    """One node's invalidations, received over a connection of their own while the node is in the cluster."""

    def __init__(
        self, redis: RedisCluster, holder: ClusterNode, prefix: str, listeners: list[InvalidationListener]
    ) -> None:
        self.cluster_node = holder
        self.stream: InvalidationStream | None = None
        self._redis = redis
        self._prefix = prefix
        self._listeners = listeners
        self._is_up = cache_tracking.labels(holder.name)
        self._backoff = Backoff(base_s=MIN_RECONNECT_PAUSE_S, max_s=MAX_RECONNECT_PAUSE_S)
        self._following = asyncio.create_task(self._follow())

    def stop(self) -> None:
        """End the stream at once, and the connection soon."""
        self._end_stream()
        self._following.cancel()

    async def aclose(self) -> None:
        """End the stream and the connection."""
        self.stop()
        await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self) -> None:
        while self._is_in_the_cluster():
            with suppress(*REDIS_ERRORS):
                await self._listen()
            await asyncio.sleep(self._backoff.next_delay_s())

    def _is_in_the_cluster(self) -> bool:
        return self._redis.get_node(node_name=self.cluster_node.name) is self.cluster_node

    async def _listen(self) -> None:
        connection = _open_tracking_connection(self.cluster_node, self._prefix)
        try:
            async with asyncio.timeout(BEGIN_TIMEOUT_S):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", self._prefix)
                await connection.read_response()
            self._begin_stream()
            self._backoff.reset()
            while True:
                self._handle_push(await connection.read_response(push_request=True))
        finally:
            self._end_stream()
            await connection.disconnect(nowait=True)

    def _handle_push(self, push: list[Any]) -> None:
        kind, keys = push
        if kind != _INVALIDATE_PUSH:
            return
        if keys is None:
            # The node has been flushed.
            self._end_stream()
            self._begin_stream()
            return
        for key in keys:
            for listener in self._listeners:
                # Keys that are not text are not ours, and must not end the stream.
                listener.invalidate(key.decode(errors="replace"))

    def _begin_stream(self) -> None:
        self.stream = InvalidationStream()
        self._is_up.set(1)

    def _end_stream(self) -> None:
        ended, self.stream = self.stream, None
        if ended is None:
            return
        self._is_up.set(0)
        for listener in self._listeners:
            listener.invalidate_stream(ended)


def _open_tracking_connection(node: ClusterNode, prefix: str) -> Connection:
    """Return a connection with the client's settings that passes invalidations to its reader."""
    settings: Mapping[str, Any] = node.connection_kwargs | {
        "protocol": 3,
        "client_name": f"tracking-{prefix}",
        "retry": Retry(NoBackoff(), 0),
        # With a time-out, sending goes through `asyncio.wait_for`, which may swallow a cancellation.
        "socket_timeout": None,
        # A peer that vanished is noticed within a minute even if nothing is ever sent.
        "socket_keepalive": True,
    }
    connection = node.connection_class(**settings)
    # Without a handler the parser drops invalidations, and it swallows the errors of a handler that does
    # work.
    cast(Any, connection)._parser.set_invalidation_push_handler(_return_push)
    return connection


async def _return_push(push: list[Any]) -> list[Any]:
    return push
