"""Prepares the stores for the services: replica sets, users, collections, indexes, queues; all idempotent."""

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from amqp.exceptions import AMQPError
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from chassis.mongo import provision as chassis_provision
from chassis.mongo.provision import CollectionSpec, ProvisionError
from chassis.sharding import slot_map_store
from chassis.sharding.slot_map import SlotMap
from devstack import mongo, redis_cluster
from devstack.credentials import Credentials
from devstack.topology import SERVICES, Topology
from ops.errors import OpsError

AdminClient = AsyncMongoClient[dict[str, Any]]


def prepare_stores(topology: Topology, credentials: Credentials) -> None:
    """Makes replica sets with their users, and one Redis Cluster, of servers that have just started."""
    mongo.prepare_shards(topology, credentials)
    redis_cluster.prepare_redis_cluster(topology, credentials)


def provision_collections(topology: Topology, credentials: Credentials) -> None:
    """Makes each service's collections and indexes on every shard, and the shard's copy of the slot map.

    Raises:
        OpsError: a collection that exists differs from what its service declares, or a shard does not answer.
    """
    try:
        asyncio.run(_provision_collections(topology, credentials, declared_collections()))
    except ProvisionError as error:
        raise OpsError(f"the stack '{topology.name}' cannot be provisioned: {error}") from error


def declare_queues(topology: Topology, credentials: Credentials) -> None:
    """Makes each service's queues; until then no service can publish, as the broker drops what none wants.

    Raises:
        OpsError: a queue that exists differs from what its service declares.
    """
    # Not before, as it needs the stubs, which may have been built a moment ago.
    from chassis.messaging.topology import declare_topology  # noqa: PLC0415

    queues = _declared_queues()
    try:
        declare_topology(credentials.amqp_url(topology), queues)
    except (AMQPError, OSError) as error:
        raise OpsError(f"the stack '{topology.name}' cannot be given its queues: {error}") from error


def count_waiting_events(topology: Topology, credentials: Credentials) -> int:
    """How many events wait in the services' queues, not counting those that are being handled.

    Raises:
        OpsError: the broker does not answer.
    """
    from chassis.messaging.topology import count_messages  # noqa: PLC0415

    try:
        return count_messages(credentials.amqp_url(topology), queue_names())
    except (AMQPError, OSError) as error:
        raise OpsError(f"the broker of the stack '{topology.name}' does not answer: {error}") from error


def queue_names() -> list[str]:
    """Every service's queues, service by service."""
    return [
        queue.name for service in SERVICES for queue in _declared_table(service, "event_handlers", "QUEUES")
    ]


def declared_collections() -> dict[str, tuple[CollectionSpec, ...]]:
    """By service: its own collections, without those that the chassis keeps beside them."""
    return {service: tuple(_declared_table(service, "repository", "COLLECTIONS")) for service in SERVICES}


@asynccontextmanager
async def open_admin_clients(
    topology: Topology, credentials: Credentials, deadline_ms: int | None = None
) -> AsyncIterator[dict[str, AdminClient]]:
    """By shard: a client with the administrator's user, which looks for a primary for two seconds.

    `deadline_ms` bounds whatever is asked; without it what takes long, such as an index, may take long.
    """
    async with AsyncExitStack() as closing:
        clients: dict[str, AdminClient] = {
            shard.name: AsyncMongoClient(
                mongo.shard_admin_uri(shard, credentials),
                tz_aware=True,
                serverSelectionTimeoutMS=2000,
                timeoutMS=deadline_ms,
            )
            for shard in topology.shards
        }
        for client in clients.values():
            await closing.enter_async_context(client)
        yield clients


async def _provision_collections(
    topology: Topology, credentials: Credentials, declared: Mapping[str, Iterable[CollectionSpec]]
) -> None:
    async with open_admin_clients(topology, credentials) as clients:
        for shard in topology.shards:
            try:
                for service, collections in declared.items():
                    database = mongo.service_database(service)
                    await chassis_provision.provision_collections(clients[shard.name], database, collections)
            except PyMongoError as error:
                raise OpsError(mongo.describe_unreachable_shard(shard, error)) from error
        await slot_map_store.provision_slot_maps(clients, SlotMap.load(topology.slot_map))


def _declared_queues() -> list[Any]:
    return [queue for service in SERVICES for queue in _declared_table(service, "event_handlers", "QUEUES")]


def _declared_table(service: str, module: str, table: str) -> Any:
    """What a module of the service declares; a service without that module has nothing to make."""
    name = f"services.{service}.{module}"
    if importlib.util.find_spec(name) is None:
        return ()
    return getattr(importlib.import_module(name), table)
