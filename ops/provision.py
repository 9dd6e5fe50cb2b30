"""Prepares the stores for the services: users, collections, indexes, queues; all idempotent."""

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from amqp.exceptions import AMQPError
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from chassis.mongo.client import use_store_tls
from chassis.mongo.provision import CollectionSpec, ProvisionError
from chassis.sharding import chassis_collections, slot_map_store
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.service_names import SERVICES, service_database
from ops.shards import addresses, users

AdminClient = AsyncMongoClient[dict[str, Any]]

SELECTION_TIMEOUT_MS: Final = 2_000


def prepare_stores(cluster: Cluster) -> None:
    """Prepare the stores for collections: the cluster's own part, and the services' users.

    Raises:
        OpsError: a store does not answer.
    """
    cluster.prepare_stores()
    users.ensure_service_users(cluster)


def provision_collections(cluster: Cluster) -> None:
    """Create each service's collections and indexes on every shard, and the shard's copy of the slot map.

    Raises:
        OpsError: an existing collection differs from its declaration, or a shard does not answer.
    """
    try:
        asyncio.run(_provision_collections(cluster))
    except ProvisionError as error:
        raise OpsError(f"{cluster} cannot be provisioned: {error}") from error


def declare_queues(cluster: Cluster) -> None:
    """Declare each service's queues; before that the broker drops all events.

    Raises:
        OpsError: an existing queue differs from its declaration.
    """
    # Not earlier, as it needs the stubs, which may have been built a moment ago.
    from chassis.messaging.topology import declare_topology  # noqa: PLC0415

    queues = _declared_queues(cluster.services)
    try:
        declare_topology(cluster.amqp_url, queues, tls=cluster.store_tls)
    except (AMQPError, OSError) as error:
        raise OpsError(f"{cluster} cannot be given its queues: {error}") from error


def count_waiting_messages(cluster: Cluster) -> int:
    """Return the number of messages in the services' queues, without those being handled.

    Raises:
        OpsError: the broker does not answer.
    """
    from chassis.messaging.topology import count_messages  # noqa: PLC0415

    try:
        return count_messages(cluster.amqp_url, queue_names(cluster.services), tls=cluster.store_tls)
    except (AMQPError, OSError) as error:
        raise OpsError(f"the broker of {cluster} does not answer: {error}") from error


def queue_names(services: Iterable[str] = SERVICES) -> list[str]:
    """Return the queues of these services, service by service."""
    return [queue.name for queue in _declared_queues(services)]


def describe_queues(services: Iterable[str] = SERVICES) -> dict[str, list[str]]:
    """Return by queue of these services the routing keys of its events."""
    return {queue.name: sorted(queue.routing_keys) for queue in _declared_queues(services)}


def declared_collections(services: Iterable[str] = SERVICES) -> dict[str, tuple[CollectionSpec, ...]]:
    """Return by service its own collections, without those of the chassis."""
    return {service: tuple(_declared_table(service, "repository", "COLLECTIONS")) for service in services}


@asynccontextmanager
async def open_admin_clients(
    cluster: Cluster, timeout_ms: int | None = None, *, selection_timeout_ms: int = SELECTION_TIMEOUT_MS
) -> AsyncIterator[dict[str, AdminClient]]:
    """Open the administrator's client of each shard, which looks for a primary for two seconds by default.

    `timeout_ms` bounds each operation; without it a long one, such as making an index, takes its time.
    """
    async with AsyncExitStack() as closing:
        clients: dict[str, AdminClient] = {
            shard.name: AsyncMongoClient(
                addresses.admin_uri(shard, cluster.admin_login),
                tz_aware=True,
                serverSelectionTimeoutMS=selection_timeout_ms,
                timeoutMS=timeout_ms,
            )
            for shard in cluster.shards
        }
        tls = cluster.store_tls
        for client in clients.values():
            use_store_tls(client, tls)
            await closing.enter_async_context(client)
        yield clients


async def _provision_collections(cluster: Cluster) -> None:
    declared = declared_collections(cluster.services)
    async with open_admin_clients(cluster) as clients:
        for shard in cluster.shards:
            try:
                for service, collections in declared.items():
                    database = service_database(service)
                    await chassis_collections.provision_collections(
                        clients[shard.name], database, collections
                    )
            except PyMongoError as error:
                raise OpsError(addresses.describe_unreachable_shard(shard, error)) from error
        await slot_map_store.provision_slot_maps(clients, cluster.first_slot_map())


def _declared_queues(services: Iterable[str]) -> list[Any]:
    return [queue for service in services for queue in _declared_table(service, "event_handlers", "QUEUES")]


def _declared_table(service: str, module: str, table: str) -> Any:
    """Return a table that a module of the service declares; an empty one if there is no such module."""
    name = f"services.{service}.{module}"
    if importlib.util.find_spec(name) is None:
        return ()
    return getattr(importlib.import_module(name), table)
