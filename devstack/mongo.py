"""MongoDB: each shard a replica set, with authentication on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from devstack import binaries
from devstack.credentials import Credentials, write_private_file
from devstack.process import ProbeResult, StackProcess, StartStage
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK, StackShard
from ops.cluster import ClusterShard, even_slot_map
from ops.errors import OpsError
from ops.shards import addresses
from ops.waiting import wait_until

MONGOD_CACHE_GB = 0.25
LOADING_CACHE_GB = 1.0
"""While much is written at once: a smaller cache writes the pages of a large index again and again."""
ADMIN_USER = "admin"
REPLICA_SET_SETTINGS = {
    "electionTimeoutMillis": 2000,
    "heartbeatIntervalMillis": 500,
    "chainingAllowed": False,
}
"""Members on one machine detect a missing primary sooner than in the default ten seconds; and each replicates
from the primary itself, so that a stopped one delays no other's confirmations."""

MAX_TRANSACTION_S = 15
"""Longer than any transaction takes.

Documents of a transaction that a killed process leaves open stay locked for this time.
"""

PRIMARY_TIMEOUT_S = 60.0
ALREADY_INITIALIZED = 23

MongodClient = MongoClient[dict[str, Any]]


def mongod_process_name(shard: StackShard, member: int) -> str:
    """Return the process name of a mongod."""
    return f"mongo-{shard.name}" if len(shard.ports) == 1 else f"mongo-{shard.name}-{member + 1}"


def mongod_processes(topology: Topology) -> list[StackProcess]:
    """Return one mongod for each member of each shard."""
    return [
        StackProcess(
            name=mongod_process_name(shard, member),
            stage=StartStage.STORES,
            command=(str(binaries.mongod()), "--config", str(_mongod_config_path(topology, shard, member))),
            ports={"mongo": topology.listen_port(port)},
            probe=partial(_probe_mongod, topology.listen_port(port)),
            group=f"{StartStage.STORES.value}-{shard.name}" if shard.added else "",
        )
        for shard in topology.shards
        for member, port in enumerate(shard.ports)
    ]


def write_mongod_files(topology: Topology, credentials: Credentials) -> None:
    """Write each mongod's configuration, the members' shared key and the first slot map."""
    key_file = topology.secrets_folder / "mongo.key"
    write_private_file(key_file, credentials.mongo_key)
    for shard in topology.shards:
        for member, port in enumerate(shard.ports):
            data = topology.data_folder / mongod_process_name(shard, member)
            data.mkdir(parents=True, exist_ok=True)
            config = {
                "net": {
                    "bindIp": LOOPBACK,
                    "port": topology.listen_port(port),
                    "unixDomainSocket": {"enabled": False},
                },
                "storage": {
                    "dbPath": str(data),
                    "wiredTiger": {"engineConfig": {"cacheSizeGB": MONGOD_CACHE_GB}},
                },
                "replication": {"replSetName": shard.name, "oplogSizeMB": 512},
                "security": {"keyFile": str(key_file), "authorization": "enabled"},
                "systemLog": {"quiet": True},
                "setParameter": {
                    "diagnosticDataCollectionEnabled": False,
                    "shutdownTimeoutMillisForSignaledShutdown": 100,
                    "transactionLifetimeLimitSeconds": MAX_TRANSACTION_S,
                    # Memory that is freed goes back to the machine soon.
                    "tcmallocReleaseRate": 10,
                },
            }
            _mongod_config_path(topology, shard, member).write_text(json.dumps(config, indent=2))
    if not topology.slot_map_file.exists():
        topology.slot_map_file.write_text(json.dumps(_first_slot_map(topology), indent=2))


def shard_admin_uri(shard: StackShard, credentials: Credentials) -> str:
    """Return the shard's address with the administrator's user: for tools and tests, never for a service."""
    return addresses.add_login_to_uri(shard.uri, ADMIN_USER, credentials.mongo_admin_password)


@contextmanager
def loading_caches(topology: Topology, credentials: Credentials) -> Iterator[None]:
    """Give every mongod of this machine a larger cache for the block, as far as there is free memory."""
    ports = [port for shard in topology.shards if not shard.address for port in shard.ports]
    free_gb = psutil.virtual_memory().available / 2**30
    larger_gb = max(MONGOD_CACHE_GB, min(LOADING_CACHE_GB, free_gb / 2 / max(1, len(ports))))
    try:
        for port in ports:
            _set_cache_size(topology.listen_port(port), credentials, larger_gb)
        yield
    finally:
        for port in ports:
            with suppress(PyMongoError):
                _set_cache_size(topology.listen_port(port), credentials, MONGOD_CACHE_GB)


def _set_cache_size(port: int, credentials: Credentials, gigabytes: float) -> None:
    login = {"username": ADMIN_USER, "password": credentials.mongo_admin_password, "authSource": "admin"}
    with _open_member_client(port, **login) as client:
        size = f"cache_size={round(gigabytes * 1024)}M"
        client.admin.command("setParameter", 1, wiredTigerEngineRuntimeConfig=size)


def _first_slot_map(topology: Topology) -> dict[str, Any]:
    """Return a map with equally many slots for each shard; several regions have the shards in turn."""
    slot_map = even_slot_map([ClusterShard(shard.name, shard.uri) for shard in topology.shards])
    if len(topology.regions) > 1:
        names = (region.name for region in cycle(topology.regions))
        slot_map = replace(slot_map, regions=dict(zip(slot_map.uris, names, strict=False)))
    return slot_map.to_document()


def prepare_shards(topology: Topology, credentials: Credentials) -> None:
    """Make replica sets with an administrator of the running mongods; leave existing ones as they are.

    Raises:
        OpsError: a shard has no primary within a minute.
    """
    own = [shard for shard in topology.shards if not shard.address]
    for shard in own:
        _initiate_replica_set(shard, topology.listen_port(shard.ports[0]))
    for shard in own:
        _ensure_admin(_wait_for_primary(shard), credentials.mongo_admin_password)


def _mongod_config_path(topology: Topology, shard: StackShard, member: int) -> Path:
    return topology.etc_folder / f"{mongod_process_name(shard, member)}.json"


def _initiate_replica_set(shard: StackShard, first: int) -> None:
    """Initiate the replica set, whose members use the ports of clients, as drivers do."""
    members = [{"_id": i, "host": f"{LOOPBACK}:{port}"} for i, port in enumerate(shard.ports)]
    with _open_member_client(first) as client:
        if "setName" in client.admin.command("hello"):
            return
        try:
            config = {"_id": shard.name, "members": members, "settings": REPLICA_SET_SETTINGS}
            client.admin.command("replSetInitiate", config)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise


def _wait_for_primary(shard: StackShard) -> int:
    """Return the port of the shard's primary, once there is one."""
    port = wait_until(lambda: _find_primary(shard), timeout_s=PRIMARY_TIMEOUT_S, interval_s=0.2)
    if port is None:
        raise OpsError(
            f"shard {shard.name} has no primary after {PRIMARY_TIMEOUT_S:.0f} s: ic logs mongo-{shard.name}"
        )
    return port


def _find_primary(shard: StackShard) -> int | None:
    for port in shard.ports:
        with _open_member_client(port) as client:
            if _hello(client).get("isWritablePrimary"):
                return port
    return None


def _hello(client: MongodClient) -> Mapping[str, Any]:
    try:
        return client.admin.command("hello")
    except PyMongoError:
        return {}


def _ensure_admin(primary: int, password: str) -> None:
    """Create the first user: MongoDB allows that to a local client while there is none."""
    with _open_member_client(primary, username=ADMIN_USER, password=password, authSource="admin") as client:
        try:
            client.admin.command("usersInfo", ADMIN_USER)
        except OperationFailure:
            pass
        else:
            return
    with _open_member_client(primary) as client:
        client.admin.command("createUser", ADMIN_USER, pwd=password, roles=["root"])


def _probe_mongod(port: int) -> ProbeResult:
    try:
        with _open_member_client(port) as client:
            hello = client.admin.command("hello")
    except PyMongoError as error:
        return ProbeResult(False, type(error).__name__)
    if hello.get("isWritablePrimary"):
        return ProbeResult(True, "primary")
    if hello.get("secondary"):
        return ProbeResult(True, "secondary")
    return ProbeResult(False, "no primary" if "setName" in hello else "no replica set yet")


@contextmanager
def _open_member_client(port: int, **options: Any) -> Iterator[MongodClient]:
    with _open_client(f"mongodb://{LOOPBACK}:{port}/?directConnection=true", **options) as client:
        yield client


@contextmanager
def _open_client(uri: str, **options: Any) -> Iterator[MongodClient]:
    client: MongodClient = MongoClient(uri, serverSelectionTimeoutMS=2000, socketTimeoutMS=30_000, **options)
    try:
        yield client
    finally:
        client.close()
