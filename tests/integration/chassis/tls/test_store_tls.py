"""TLS to MongoDB, Redis and RabbitMQ, with certificates that are replaced while clients use them."""

import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import trustme
from amqp.exceptions import AMQPError
from pymongo.errors import PyMongoError

from chassis.messaging.message_bodies import OutgoingEvent
from chassis.messaging.publisher import EventPublisher
from chassis.messaging.subscriptions import WorkQueue
from chassis.messaging.topology import count_messages, declare_topology
from chassis.mongo.client import connect_shard
from chassis.redis.client import REDIS_ERRORS, connect_redis
from chassis.store_tls import StoreTls
from devstack import mongo
from internshipconnect.events.v1.events_pb2 import UserVerified
from tests.cluster_authority import ClusterAuthority
from tests.integration.chassis.tls.tls_servers import (
    HOST,
    PASSWORD,
    UNNAMED_HOST,
    TlsServers,
    running_servers,
)
from tests.mounted_secret import MountedSecret
from tests.waiting import WAIT_TIMEOUT_S

QUEUE = WorkQueue("secured", (UserVerified,))
REFUSALS = (*REDIS_ERRORS, PyMongoError, AMQPError)

UseStore = Callable[[TlsServers, StoreTls, str], Awaitable[None]]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServers]:
    """Yield the three stores, which take clients of one authority."""
    folder = tmp_path_factory.mktemp("stores")
    with running_servers(folder, MountedSecret(folder / "servers", (HOST,), ClusterAuthority())) as running:
        yield running


async def _use_mongo(servers: TlsServers, tls: StoreTls, host: str) -> None:
    uri = servers.mongo_uri.replace(HOST, host)
    # Not by the replica set's name, as its members would be called 127.0.0.1.
    uri = uri if host == HOST else uri.partition("?")[0] + "?tls=true&directConnection=true"
    async with connect_shard(uri, "ic_secured", mongo.ADMIN_USER, PASSWORD, (), tls=tls) as client:
        await client["ic_secured"]["things"].insert_one({"slot": 1})


async def _use_redis(servers: TlsServers, tls: StoreTls, host: str) -> None:
    client = connect_redis([servers.redis_node.replace(HOST, host)], PASSWORD, tls)
    try:
        await client.set("secured", "yes")
        assert await client.get("secured") == b"yes"
    finally:
        await client.aclose()


async def _use_broker(servers: TlsServers, tls: StoreTls, host: str) -> None:
    url = servers.amqp_url.replace(HOST, host)
    declare_topology(url, [QUEUE], tls=tls)
    before = count_messages(url, [QUEUE.name], tls=tls)
    publisher = EventPublisher(url, tls=tls, needs_provisioning=True)
    try:
        await publisher.publish([OutgoingEvent("1", "auth.user.verified", b"something")])
    finally:
        await publisher.close()
    assert count_messages(url, [QUEUE.name], tls=tls) == before + 1


each_store = pytest.mark.parametrize("use", [_use_mongo, _use_redis, _use_broker])


@each_store
async def test_a_client_with_a_certificate_of_the_authority_is_served(
    servers: TlsServers, use: UseStore
) -> None:
    await use(servers, StoreTls(servers.secret.folder), HOST)


@each_store
async def test_a_client_without_a_certificate_is_refused(
    servers: TlsServers, use: UseStore, tmp_path: Path
) -> None:
    (tmp_path / "ca.crt").write_bytes((servers.secret.folder / "ca.crt").read_bytes())
    with pytest.raises(REFUSALS):
        await use(servers, StoreTls(tmp_path), HOST)


@each_store
async def test_a_client_uses_no_server_of_another_authority(
    servers: TlsServers, use: UseStore, tmp_path: Path
) -> None:
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_bytes((servers.secret.folder / name).read_bytes())
    (tmp_path / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
    with pytest.raises(REFUSALS):
        await use(servers, StoreTls(tmp_path), HOST)
    with pytest.raises(REFUSALS):
        await use(servers, StoreTls(), HOST)


@each_store
async def test_a_client_uses_no_server_of_another_name(servers: TlsServers, use: UseStore) -> None:
    for address in (servers.redis_node, servers.mongo_uri, servers.amqp_url):
        port = int(address.rstrip("/").partition("/?")[0].rpartition(":")[2])
        socket.create_connection((UNNAMED_HOST, port), timeout=WAIT_TIMEOUT_S).close()
    with pytest.raises(REFUSALS):
        await use(servers, StoreTls(servers.secret.folder), UNNAMED_HOST)


async def test_the_name_that_counts_is_that_of_the_broker_which_answers(servers: TlsServers) -> None:
    nowhere = servers.amqp_url.replace(HOST, "127.0.0.3")
    urls = TlsServers(servers.secret, "", "", f"{nowhere.rpartition(':')[0]}:1//;{servers.amqp_url}")
    await _use_broker(urls, StoreTls(servers.secret.folder), HOST)


async def test_new_certificates_are_taken_by_clients_that_run(servers: TlsServers, tmp_path: Path) -> None:
    unknown = MountedSecret(tmp_path / "client", ("client",))
    tls = StoreTls(unknown.folder)
    shard = connect_shard(servers.mongo_uri, "ic_secured", mongo.ADMIN_USER, PASSWORD, (), tls=tls)
    redis = connect_redis([servers.redis_node], PASSWORD, tls)
    publisher = EventPublisher(servers.amqp_url, tls=tls)
    declare_topology(servers.amqp_url, [QUEUE], tls=StoreTls(servers.secret.folder))
    uses = (
        partial(shard["ic_secured"].command, "ping"),
        partial(redis.set, "renewed", "yes"),
        publisher.ping,
    )
    try:
        for use in uses:
            with pytest.raises(REFUSALS):
                await use()
        unknown.replace_by(servers.secret)
        for use in uses:
            await use()
    finally:
        await shard.close()
        await redis.aclose()
        await publisher.close()
