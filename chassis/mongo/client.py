"""One client for each shard: a bounded pool, and bounded waits for a primary."""

import asyncio
import sys
from collections.abc import Awaitable, Sequence
from datetime import UTC
from typing import Any, Final, TypeVar

import pymongo
import pymongo.lock
from pymongo import AsyncMongoClient, MongoClient, _csot
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.server import Server
from pymongo.asynchronous.topology import Topology
from pymongo.monitoring import CommandListener
from pymongo.read_preferences import Primary, PrimaryPreferred
from pymongo.server_selectors import writable_server_selector
from pymongo.topology_description import TOPOLOGY_TYPE, TopologyDescription

from chassis.mongo.documents import Document
from chassis.store_tls import StoreTls

T = TypeVar("T")

MAX_POOL_SIZE: Final = 32
"""Connections to one shard; at about 1 ms an operation, more would only queue on the server."""
ELECTION_TIMEOUT_S: Final = 8.0
"""How long an election may take before operations fail, if there are secondaries to vote."""
PATIENCE_S: Final = 2.0
"""How long a shard may not answer until operations fail, if nobody may be elected."""
SOCKET_TIMEOUT_S: Final = 30.0
HEARTBEAT_INTERVAL_S: Final = 1.0
"""While a shard is down no operation queries the driver's view of it, so heartbeats have to be frequent."""


async def _wait_in_this_task(work: Awaitable[T], timeout: float | None) -> T:
    async with asyncio.timeout(timeout):
        return await work


if sys.version_info < (3, 12):
    # Before 3.12 `asyncio.wait_for` waits in a task of its own. When two deadlines cancel its caller one
    # after the other, that task takes the driver's lock and no task is left to release it: the client never
    # answers again. The version of 3.12 waits in the caller's own task, which rules this out.
    pymongo.lock.wait_for = _wait_in_this_task  # type: ignore[assignment,attr-defined]


class ShardClient(AsyncMongoClient[Document]):
    """Looks for a primary for at most 2 seconds, or 8 while there are secondaries that may elect one.

    Under a deadline PyMongo would spend all the remaining time on looking, and ignore its own limit. It also
    looks again for each command; here a primary, once found, is taken until the driver's view of the replica
    set changes, as it does with each heartbeat and each network error.
    """

    patience_s: float = PATIENCE_S
    _seen_topology: TopologyDescription | None = None
    _primary: Server | None = None

    async def _select_server(
        self, server_selector: Any, session: AsyncClientSession | None, *args: Any, **kwargs: Any
    ) -> Any:
        # Further arguments name a server to take, or some not to take.
        is_free_choice = len(args) <= 1 and not (kwargs.get("address") or kwargs.get("deprioritized_servers"))
        primary = self._known_primary() if is_free_choice and _takes_primary(server_selector) else None
        if primary is None:
            with pymongo.timeout(self._selection_timeout_s()):
                return await super()._select_server(server_selector, session, *args, **kwargs)
        if session is not None and not session.in_transaction:
            await session._transaction.reset()
        if _csot.get_timeout() is not None:
            _csot.set_rtt(primary.description.min_round_trip_time)
        return primary

    def _known_primary(self) -> Server | None:
        """Return the primary of a replica set that has one, by the driver's present view."""
        topology: Topology | None = self._topology
        if topology is None:
            # Before the first operation.
            return None
        description = topology.description
        if description is not self._seen_topology:
            self._seen_topology = description
            self._primary = None
            if description.topology_type == TOPOLOGY_TYPE.ReplicaSetWithPrimary:
                writable = [each for each in description.known_servers if each.is_writable]
                self._primary = topology._servers.get(writable[0].address) if writable else None
        return self._primary

    def _selection_timeout_s(self) -> float:
        may_elect = self.topology_description.has_readable_server(pymongo.ReadPreference.SECONDARY)
        return max(ELECTION_TIMEOUT_S, self.patience_s) if may_elect else self.patience_s


def _takes_primary(selector: Any) -> bool:
    """Return whether an operation goes to the primary when there is one."""
    return selector is writable_server_selector or type(selector) in {Primary, PrimaryPreferred}


def connect_shard(
    uri: str,
    database: str,
    user: str,
    password: str,
    listeners: Sequence[CommandListener],
    *,
    tls: StoreTls | None = None,
    patience_s: float = PATIENCE_S,
) -> ShardClient:
    """Return a client of the shard at `uri` that connects on first use; writes wait for the majority.

    A shard that does not answer for `patience_s` seconds counts as down. With `tls=true` in the URI, `tls`
    has the certificates.
    """
    client = ShardClient(
        uri,
        username=user,
        password=password,
        authSource="admin",
        appName=database,
        tz_aware=True,
        tzinfo=UTC,
        maxPoolSize=MAX_POOL_SIZE,
        connectTimeoutMS=_milliseconds(patience_s),
        serverSelectionTimeoutMS=_milliseconds(max(ELECTION_TIMEOUT_S, patience_s)),
        socketTimeoutMS=_milliseconds(SOCKET_TIMEOUT_S),
        heartbeatFrequencyMS=_milliseconds(HEARTBEAT_INTERVAL_S),
        retryReads=True,
        retryWrites=True,
        w="majority",
        event_listeners=list(listeners),
    )
    client.patience_s = patience_s
    use_store_tls(client, tls)
    return client


def use_store_tls(client: AsyncMongoClient[Any] | MongoClient[Any], tls: StoreTls | None) -> None:
    """Let a client whose URI has `tls=true` take its certificates from `tls`; it must not have connected.

    PyMongo reads its own files once, when the client is made, and demands key and certificate in one.
    """
    options = client.options.pool_options
    if tls is not None and options._ssl_context is not None:
        options._PoolOptions__ssl_context = tls.new_context()  # type: ignore[attr-defined]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
