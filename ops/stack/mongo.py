"""MongoDB: each shard a replica set, with authentication on and one least-privilege user a service."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from chassis.mongo.catalogue import CLUSTER, MEMBERS
from ops.errors import OpsError
from ops.stack import addresses, binaries
from ops.stack.credentials import Credentials, write_private
from ops.stack.process import Process, Readiness, Stage
from ops.stack.topology import LOOPBACK, Shard, Topology

CACHE_GB = 0.25
SLOTS = 16_384
ADMIN = "admin"
MEMBERS_SETTINGS = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500, "chainingAllowed": False}
"""Members on one machine need no ten seconds to miss a primary; and each follows the primary itself, so that
one that is taken down keeps no other from confirming writes."""

TRANSACTION_LIFE_S = 15
"""More than any takes. What a killed process leaves open keeps others from its documents for so long."""

PRIMARY_WITHIN_S = 60.0
AUTHENTICATION_FAILED = 18
ALREADY_INITIALIZED = 23
USER_ALREADY_EXISTS = 51003
ROLE_ALREADY_EXISTS = 51002
MEMBER_ROLE = "ic_member"
"""Reads the shard's copy of the slot map, and says that it has."""

Client = MongoClient[dict[str, Any]]


def member_name(shard: Shard, member: int) -> str:
    """How one mongod is called."""
    return f"mongo-{shard.name}" if len(shard.ports) == 1 else f"mongo-{shard.name}-{member + 1}"


def database_of(service: str) -> str:
    """The database that a service owns on every shard."""
    return f"ic_{service}"


def processes(topology: Topology) -> list[Process]:
    """One mongod for each member of each shard."""
    return [
        Process(
            name=member_name(shard, member),
            stage=Stage.STORES,
            command=(str(binaries.mongod()), "--config", str(_config_path(topology, shard, member))),
            ports={"mongo": topology.own_port(port)},
            probe=partial(_probe, topology.own_port(port)),
            group=f"{Stage.STORES.value}-{shard.name}" if shard.added else "",
        )
        for shard in topology.shards
        for member, port in enumerate(shard.ports)
    ]


def write_config(topology: Topology, credentials: Credentials) -> None:
    """Writes each mongod's configuration, the members' shared key and the first slot map."""
    key_file = topology.secrets / "mongo.key"
    write_private(key_file, credentials.mongo_key)
    for shard in topology.shards:
        for member, port in enumerate(shard.ports):
            data = topology.data / member_name(shard, member)
            data.mkdir(parents=True, exist_ok=True)
            config = {
                "net": {
                    "bindIp": LOOPBACK,
                    "port": topology.own_port(port),
                    "unixDomainSocket": {"enabled": False},
                },
                "storage": {
                    "dbPath": str(data),
                    "wiredTiger": {"engineConfig": {"cacheSizeGB": CACHE_GB}},
                },
                "replication": {"replSetName": shard.name, "oplogSizeMB": 512},
                "security": {"keyFile": str(key_file), "authorization": "enabled"},
                "systemLog": {"quiet": True},
                "setParameter": {
                    "diagnosticDataCollectionEnabled": False,
                    "shutdownTimeoutMillisForSignaledShutdown": 100,
                    "transactionLifetimeLimitSeconds": TRANSACTION_LIFE_S,
                },
            }
            _config_path(topology, shard, member).write_text(json.dumps(config, indent=2))
    if not topology.slot_map.exists():
        topology.slot_map.write_text(json.dumps(first_slot_map(topology.shards), indent=2))


def first_slot_map(shards: tuple[Shard, ...]) -> dict[str, Any]:
    """All slots, dealt out evenly in ranges; later changes are data and are not made here."""
    edges = [SLOTS * i // len(shards) for i in range(len(shards) + 1)]
    return {
        "version": 1,
        "shards": {shard.name: {"uri": shard.uri} for shard in shards},
        "ranges": [
            {"first": edges[i], "last": edges[i + 1] - 1, "shard": shard.name}
            for i, shard in enumerate(shards)
        ],
    }


def admin_uri(shard: Shard, credentials: Credentials) -> str:
    """The shard with the administrator's user: for provisioning and for tests, never for a service."""
    return addresses.with_login(shard.uri, ADMIN, credentials.mongo_admin_password)


def prepare(topology: Topology, credentials: Credentials) -> None:
    """Makes replica sets of the running mongods, and users in every shard; changes nothing that is there.

    Raises:
        OpsError: a shard has no primary within a minute, or one elsewhere does not answer.
    """
    own = [shard for shard in topology.shards if not shard.address]
    for shard in own:
        _initiate(shard, topology.own_port(shard.ports[0]))
    for shard in own:
        _ensure_admin(_await_primary(shard), credentials.mongo_admin_password)
    for shard in topology.shards:
        try:
            _ensure_users(shard, credentials)
        except PyMongoError as error:
            raise OpsError(unreachable(shard, error)) from error


def unreachable(shard: Shard, error: Exception) -> str:
    """That a shard does not do what it is asked for, and why."""
    where = addresses.hosts_of(shard.uri)
    if isinstance(error, OperationFailure) and error.code == AUTHENTICATION_FAILED:
        return (
            f"the shard {shard.name} at {where} does not know the user '{ADMIN}' by this stack's password: "
            f"make the user there, with the role root and the password in secrets/ of the stack"
        )
    why = re.split(r", Timeout:| \(configured timeouts", str(error).splitlines()[0])[0][:240]
    return f"the shard {shard.name} at {where} does not answer: {type(error).__name__}: {why}"


def _ensure_users(shard: Shard, credentials: Credentials) -> None:
    with _client(admin_uri(shard, credentials)) as client:
        _ensure_member_role(client)
        for service, own in credentials.services.items():
            _ensure_user(client, service, own.mongo_password)


def _config_path(topology: Topology, shard: Shard, member: int) -> Path:
    return topology.etc / f"{member_name(shard, member)}.json"


def _initiate(shard: Shard, first: int) -> None:
    """Members know each other, and are known to drivers, by the ports of clients."""
    members = [{"_id": i, "host": f"{LOOPBACK}:{port}"} for i, port in enumerate(shard.ports)]
    with _direct(first) as client:
        if "setName" in client.admin.command("hello"):
            return
        try:
            config = {"_id": shard.name, "members": members, "settings": MEMBERS_SETTINGS}
            client.admin.command("replSetInitiate", config)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise


def _await_primary(shard: Shard) -> int:
    """The port of the shard's primary, once there is one."""
    deadline = time.monotonic() + PRIMARY_WITHIN_S
    while time.monotonic() < deadline:
        for port in shard.ports:
            with _direct(port) as client:
                if _hello(client).get("isWritablePrimary"):
                    return port
        time.sleep(0.2)
    raise OpsError(
        f"shard {shard.name} has no primary after {PRIMARY_WITHIN_S:.0f} s: ic logs mongo-{shard.name}"
    )


def _hello(client: Client) -> Mapping[str, Any]:
    try:
        return client.admin.command("hello")
    except PyMongoError:
        return {}


def _ensure_admin(primary: int, password: str) -> None:
    """The first user: MongoDB lets a client on the same machine make it, and nobody after that."""
    with _direct(primary, username=ADMIN, password=password, authSource="admin") as client:
        try:
            client.admin.command("usersInfo", ADMIN)
        except OperationFailure:
            pass
        else:
            return
    with _direct(primary) as client:
        client.admin.command("createUser", ADMIN, pwd=password, roles=["root"])


def _ensure_user(client: Client, service: str, password: str) -> None:
    """A service's user reads, writes and follows its own database, and takes part in the cluster's."""
    roles = [{"role": "readWrite", "db": database_of(service)}, {"role": MEMBER_ROLE, "db": ADMIN}]
    try:
        client.admin.command("createUser", service, pwd=password, roles=roles)
    except OperationFailure as error:
        if error.code != USER_ALREADY_EXISTS:
            raise
        client.admin.command("grantRolesToUser", service, roles=roles)


def _ensure_member_role(client: Client) -> None:
    privilege = {
        "resource": {"db": CLUSTER, "collection": MEMBERS},
        "actions": ["find", "insert", "update", "remove"],
    }
    roles = [{"role": "read", "db": CLUSTER}]
    try:
        client.admin.command("createRole", MEMBER_ROLE, privileges=[privilege], roles=roles)
    except OperationFailure as error:
        if error.code != ROLE_ALREADY_EXISTS:
            raise


def _probe(port: int) -> Readiness:
    try:
        with _direct(port) as client:
            hello = client.admin.command("hello")
    except PyMongoError as error:
        return Readiness(False, type(error).__name__)
    if hello.get("isWritablePrimary"):
        return Readiness(True, "primary")
    if hello.get("secondary"):
        return Readiness(True, "secondary")
    return Readiness(False, "no primary" if "setName" in hello else "no replica set yet")


@contextmanager
def _direct(port: int, **options: Any) -> Iterator[Client]:
    with _client(f"mongodb://{LOOPBACK}:{port}/?directConnection=true", **options) as client:
        yield client


@contextmanager
def _client(uri: str, **options: Any) -> Iterator[Client]:
    client: Client = MongoClient(uri, serverSelectionTimeoutMS=2000, socketTimeoutMS=30_000, **options)
    try:
        yield client
    finally:
        client.close()
