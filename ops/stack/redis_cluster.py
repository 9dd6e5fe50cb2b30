"""Redis Cluster: three masters that share the slots; a cache and sessions, so no replicas on a laptop."""

import time
from functools import partial

from redis import Redis
from redis.exceptions import RedisError

from ops.errors import OpsError
from ops.stack import binaries
from ops.stack.credentials import Credentials, write_private
from ops.stack.process import Process, Readiness, Stage
from ops.stack.topology import LOOPBACK, Topology

SLOTS = 16_384
CLUSTER_WITHIN_S = 30.0
MAX_MEMORY = "128mb"


def processes(topology: Topology, credentials: Credentials) -> list[Process]:
    """One server for each node."""
    return [
        Process(
            name=f"redis-{i + 1}",
            stage=Stage.STORES,
            command=(str(binaries.redis_server()), str(topology.etc / f"redis-{i + 1}.conf")),
            ports={"redis": topology.own_port(node.port), "bus": node.bus},
            probe=partial(_probe, topology.own_port(node.port), credentials.redis_password),
        )
        for i, node in enumerate(topology.redis)
    ]


def write_config(topology: Topology, credentials: Credentials) -> None:
    """Writes each node's configuration.

    A node that is gone takes only its own slots along, and a full node evicts: both mean slower, not wrong.
    """
    for i, node in enumerate(topology.redis):
        data = topology.data / f"redis-{i + 1}"
        data.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": LOOPBACK,
            "port": topology.own_port(node.port),
            "dir": data,
            "cluster-enabled": "yes",
            "cluster-port": node.bus,
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": 3000,
            "cluster-announce-ip": LOOPBACK,
            "cluster-announce-port": node.port,
            "cluster-require-full-coverage": "no",
            "appendonly": "yes",
            "save": '""',
            "requirepass": credentials.redis_password,
            "masterauth": credentials.redis_password,
            # A rewritten title would overwrite the environment, by which `ic down` knows its processes.
            "set-proc-title": "no",
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "allkeys-lfu",
        }
        lines = "".join(f"{key} {value}\n" for key, value in settings.items())
        write_private(topology.etc / f"redis-{i + 1}.conf", lines)


def prepare(topology: Topology, credentials: Credentials) -> None:
    """Makes one cluster of the running nodes; leaves a cluster that has all its slots as it is.

    Raises:
        OpsError: the nodes do not agree within half a minute.
    """
    password = credentials.redis_password
    nodes = [_connect(topology.own_port(node.port), password) for node in topology.redis]
    try:
        if not all(_info(node).get("cluster_slots_assigned") == str(SLOTS) for node in nodes):
            _deal_slots(nodes)
            for node in topology.redis[1:]:
                _cluster(nodes[0], "MEET", LOOPBACK, topology.own_port(node.port), node.bus)
        _await_agreement(nodes)
    finally:
        for connection in nodes:
            connection.close()


def _deal_slots(nodes: list[Redis]) -> None:
    for i, node in enumerate(nodes):
        if _info(node).get("cluster_slots_assigned") == "0":
            first, last = SLOTS * i // len(nodes), SLOTS * (i + 1) // len(nodes) - 1
            _cluster(node, "ADDSLOTSRANGE", first, last)
            _cluster(node, "SET-CONFIG-EPOCH", i + 1)


def _await_agreement(nodes: list[Redis]) -> None:
    deadline = time.monotonic() + CLUSTER_WITHIN_S
    while time.monotonic() < deadline:
        if all(_is_whole(_info(node)) for node in nodes):
            return
        time.sleep(0.1)
    raise OpsError(f"the Redis nodes are no cluster after {CLUSTER_WITHIN_S:.0f} s: ic logs redis-1")


def _probe(port: int, password: str) -> Readiness:
    connection = _connect(port, password)
    try:
        info = _info(connection)
    except RedisError as error:
        return Readiness(False, type(error).__name__)
    finally:
        connection.close()
    detail = f"cluster {info.get('cluster_state')}, {info.get('cluster_slots_ok')} of {SLOTS} slots"
    return Readiness(_is_whole(info), detail)


def _is_whole(info: dict[str, str]) -> bool:
    return info.get("cluster_state") == "ok" and info.get("cluster_slots_assigned") == str(SLOTS)


def _info(connection: Redis) -> dict[str, str]:
    raw = _cluster(connection, "INFO")
    if isinstance(raw, dict):
        return {str(key): str(value) for key, value in raw.items()}
    return dict(line.split(":", 1) for line in str(raw).split("\r\n") if ":" in line)


def _cluster(connection: Redis, *arguments: str | int) -> object:
    answer: object = connection.execute_command("CLUSTER", *arguments)  # type: ignore[no-untyped-call]
    return answer


def _connect(port: int, password: str) -> Redis:
    return Redis(
        host=LOOPBACK,
        port=port,
        password=password,
        decode_responses=True,
        socket_timeout=2,
        socket_connect_timeout=2,
    )
