"""Connections to Redis Cluster, bounded in number and in time."""

from collections.abc import Iterable, Sequence
from typing import Final

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnectedError
from redis.exceptions import RedisClusterException, RedisError

MAX_CONNECTIONS_PER_NODE: Final = 64
CONNECT_TIMEOUT_S: Final = 0.25
COMMAND_TIMEOUT_S: Final = 0.5

REDIS_ERRORS: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What a command raises when Redis does not do it; the cluster's own errors are no RedisError."""


class ResetAwareConnection(Connection):
    """Tells of a connection that the node has reset as redis-py tells of others that are lost.

    uvloop refuses to write on one with a RuntimeError, and one that is dropped while it is being made has
    nothing left to write on: nobody takes these for a failure of Redis.
    """

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        try:
            await super().send_packed_command(command, check_health)
        except (RuntimeError, AttributeError) as error:
            if isinstance(error, AttributeError) and self._writer is not None:
                raise
            raise NotConnectedError(f"the connection was reset: {error}") from error


def connect_redis(nodes: Sequence[str], password: str) -> RedisCluster:
    """Return a client of the cluster that some of whose nodes are at `host:port`; connects when first used.

    A command takes half a second at most and is tried once more, after a fresh look at which node holds
    which slots. A node that is gone takes only its own slots along. Close it with `aclose()`.
    """
    cluster = RedisCluster(
        startup_nodes=[_cluster_node(address) for address in nodes],
        password=password,
        require_full_coverage=False,
        max_connections=MAX_CONNECTIONS_PER_NODE,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=COMMAND_TIMEOUT_S,
        # No pause: by the time the cluster has been looked at again, one has passed.
        retry=Retry(NoBackoff(), 1),
    )
    # The client takes no class of connections of its callers.
    cluster.connection_kwargs["connection_class"] = ResetAwareConnection
    for node in cluster.startup_nodes:
        node.connection_class = ResetAwareConnection
    return cluster


def _cluster_node(address: str) -> ClusterNode:
    host, _, port = address.rpartition(":")
    return ClusterNode(host, int(port))
