"""Prepares the stores for the services: replica sets, users, collections, indexes, queues; all idempotent."""

import asyncio
import importlib
import importlib.util
from typing import Any

from amqp.exceptions import AMQPError
from pymongo import AsyncMongoClient

from chassis.mongo import provision as chassis_provision
from chassis.mongo.provision import ProvisionError
from ops.errors import OpsError
from ops.stack import mongo, redis_cluster
from ops.stack.credentials import Credentials
from ops.stack.topology import SERVICES, Topology


def prepare_stores(topology: Topology, credentials: Credentials) -> None:
    """Makes replica sets with their users, and one Redis Cluster, of servers that have just started."""
    mongo.prepare(topology, credentials)
    redis_cluster.prepare(topology, credentials)


def make_collections(topology: Topology, credentials: Credentials) -> None:
    """Makes each service's collections and indexes on every shard.

    Raises:
        OpsError: a collection that exists differs from what its service declares.
    """
    collections = {service: _declared(service, "store", "COLLECTIONS") for service in SERVICES}
    try:
        asyncio.run(_make_collections(topology, credentials, collections))
    except ProvisionError as error:
        raise OpsError(f"the stack '{topology.name}' cannot be provisioned: {error}") from error


def declare_queues(topology: Topology, credentials: Credentials) -> None:
    """Makes each service's queues; until then no service can publish, as the broker drops what none wants.

    Raises:
        OpsError: a queue that exists differs from what its service declares.
    """
    # Not before, as it needs the stubs, which may have been built a moment ago.
    from chassis.messaging.topology import declare_topology  # noqa: PLC0415

    queues = [queue for service in SERVICES for queue in _declared(service, "events", "QUEUES")]
    try:
        declare_topology(credentials.amqp_url(topology), queues)
    except (AMQPError, OSError) as error:
        raise OpsError(f"the stack '{topology.name}' cannot be given its queues: {error}") from error


def waiting_events(topology: Topology, credentials: Credentials) -> int:
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
    return [queue.name for service in SERVICES for queue in _declared(service, "events", "QUEUES")]


async def _make_collections(topology: Topology, credentials: Credentials, declared: dict[str, Any]) -> None:
    for shard in topology.shards:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo.admin_uri(shard, credentials))
        async with client:
            for service, collections in declared.items():
                await chassis_provision.provision(client, mongo.database_of(service), collections)


def _declared(service: str, module: str, table: str) -> Any:
    """What a module of the service declares; a service without that module has nothing to make."""
    name = f"services.{service}.{module}"
    if importlib.util.find_spec(name) is None:
        return ()
    return getattr(importlib.import_module(name), table)
