"""Connections to Redis Cluster, bounded in number and in time."""

from collections.abc import Iterable, Mapping, Sequence
from ssl import SSLContext
from typing import Any, Final

from chassis.settings import RedisSettings
from chassis.store_tls import StoreTls
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
"""The errors of a command that failed; the cluster's own errors are no RedisError."""


class ResetAwareConnection(Connection):
    """Reports a connection that the node has reset as redis-py reports other lost ones.

    uvloop refuses to write on one with a RuntimeError, and a connection that is lost while it is opened has
    no writer; no code takes these for failures of Redis.
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


class ResetAwareTlsConnection(ResetAwareConnection):
    """Such a connection over TLS with a given context, as redis-py's own reads its files once only."""

    def __init__(self, *, tls_context: SSLContext, **settings: Any) -> None:
        super().__init__(**settings)
        self._tls_context = tls_context

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._tls_context}


def open_redis(settings: RedisSettings, tls: StoreTls) -> RedisCluster:
    """Return the client of a process's cluster, over TLS if its settings say so."""
    password = settings.redis_password.get_secret_value()
    return connect_redis(settings.redis_nodes, password, tls if settings.redis_tls else None)


def connect_redis(nodes: Sequence[str], password: str, tls: StoreTls | None = None) -> RedisCluster:
    """Return a client of the cluster that contains the nodes at `host:port`; it connects on first use.

    A command takes at most half a second and is tried once more, after the slots' nodes were read again. A
    node that is down affects its own slots only. With `tls` all connections are over TLS. Close it with
    `aclose()`.
    """
    cluster = RedisCluster(
        startup_nodes=[_cluster_node(address) for address in nodes],
        password=password,
        require_full_coverage=False,
        max_connections=MAX_CONNECTIONS_PER_NODE,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=COMMAND_TIMEOUT_S,
        # No pause: reading the cluster's slots again takes long enough.
        retry=Retry(NoBackoff(), 1),
    )
    made_by = ResetAwareTlsConnection if tls else ResetAwareConnection
    settings = {"tls_context": tls.new_context()} if tls else {}
    # The client has no parameter for the class of connections.
    cluster.connection_kwargs.update(settings, connection_class=made_by)
    for node in cluster.startup_nodes:
        node.connection_class = made_by
        node.connection_kwargs.update(settings)
    return cluster


def _cluster_node(address: str) -> ClusterNode:
    host, _, port = address.rpartition(":")
    return ClusterNode(host, int(port))
