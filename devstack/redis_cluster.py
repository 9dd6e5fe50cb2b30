"""Redis Cluster: three masters that share the slots, for a cache and sessions.

Only a redundant stack has a replica of each.
"""

from functools import partial
from typing import Any

from chassis.optional_dependencies import hide_optional_dependencies
from devstack import binaries
from devstack.credentials import Credentials, write_private_file
from devstack.process import ProbeResult, StackProcess, StartStage
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK, REDIS_MASTERS
from ops.errors import OpsError
from ops.waiting import wait_until

with hide_optional_dependencies("opentelemetry"):
    from redis import Redis
    from redis.exceptions import RedisError

REDIS_SLOTS = 16_384
CLUSTER_TIMEOUT_S = 30.0
REPLICA_POLL_INTERVAL_S = 0.1
REDIS_MAX_MEMORY = "128mb"


def redis_processes(topology: Topology, credentials: Credentials) -> list[StackProcess]:
    """Return one server for each node."""
    return [
        StackProcess(
            name=f"redis-{i + 1}",
            stage=StartStage.STORES,
            command=(str(binaries.redis_server()), str(topology.etc_folder / f"redis-{i + 1}.conf")),
            ports={"redis": topology.listen_port(node.port), "bus": node.bus},
            probe=partial(_probe_redis, topology.listen_port(node.port), credentials.redis_password),
        )
        for i, node in enumerate(topology.redis)
    ]


def write_redis_files(topology: Topology, credentials: Credentials) -> None:
    """Write each node's configuration.

    A node that is down affects its own slots only, and a full node evicts: both make answers slower, not
    wrong.
    """
    for i, node in enumerate(topology.redis):
        data = topology.data_folder / f"redis-{i + 1}"
        data.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": LOOPBACK,
            "port": topology.listen_port(node.port),
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
            # A rewritten title would overwrite the environment, by which `ic down` recognises its processes.
            "set-proc-title": "no",
            "maxmemory": REDIS_MAX_MEMORY,
            "maxmemory-policy": "allkeys-lfu",
        }
        lines = "".join(f"{key} {value}\n" for key, value in settings.items())
        write_private_file(topology.etc_folder / f"redis-{i + 1}.conf", lines)


def prepare_redis_cluster(topology: Topology, credentials: Credentials) -> None:
    """Make one cluster of the running nodes; leave a cluster that has all its slots as it is.

    Raises:
        OpsError: the nodes do not agree within half a minute.
    """
    password = credentials.redis_password
    nodes = [_connect(topology.listen_port(node.port), password) for node in topology.redis]
    try:
        if not all(_cluster_info(node).get("cluster_slots_assigned") == str(REDIS_SLOTS) for node in nodes):
            _assign_slots(nodes[:REDIS_MASTERS])
            for node in topology.redis[1:]:
                _run_cluster_command(nodes[0], "MEET", LOOPBACK, topology.listen_port(node.port), node.bus)
        _wait_for_agreement(nodes)
        # Masters without a replica have none to pair with.
        for master, replica in zip(nodes, nodes[REDIS_MASTERS:], strict=False):
            _ensure_replica(replica, master)
    finally:
        for connection in nodes:
            connection.close()


def _assign_slots(nodes: list[Redis]) -> None:
    for i, node in enumerate(nodes):
        if _cluster_info(node).get("cluster_slots_assigned") == "0":
            first, last = REDIS_SLOTS * i // len(nodes), REDIS_SLOTS * (i + 1) // len(nodes) - 1
            _run_cluster_command(node, "ADDSLOTSRANGE", first, last)
            _run_cluster_command(node, "SET-CONFIG-EPOCH", i + 1)


def _ensure_replica(node: Redis, master: Redis) -> None:
    """Make a node without slots the replica of a master; leave one that has taken over, or follows, alone."""
    if _role(node)[0] == "slave" or _has_slots(node):
        return
    _run_cluster_command(node, "REPLICATE", str(_run_cluster_command(master, "MYID")))
    if not wait_until(
        lambda: "connected" in _role(node), timeout_s=CLUSTER_TIMEOUT_S, interval_s=REPLICA_POLL_INTERVAL_S
    ):
        raise OpsError(
            f"a Redis node does not follow its master after {CLUSTER_TIMEOUT_S:.0f} s: ic logs redis-4"
        )


def _role(connection: Redis) -> list[Any]:
    """Return `master` or `slave`, with the state of the link to the master."""
    answer: list[Any] = connection.execute_command("ROLE")  # type: ignore[no-untyped-call]
    return answer


def _has_slots(connection: Redis) -> bool:
    nodes: dict[str, Any] = connection.execute_command("CLUSTER NODES")  # type: ignore[no-untyped-call]
    return any(node["slots"] for node in nodes.values() if "myself" in node["flags"])


def _wait_for_agreement(nodes: list[Redis]) -> None:
    def is_agreed() -> bool:
        return all(_is_cluster_complete(_cluster_info(node)) for node in nodes)

    if not wait_until(is_agreed, timeout_s=CLUSTER_TIMEOUT_S, interval_s=0.1):
        raise OpsError(f"the Redis nodes are no cluster after {CLUSTER_TIMEOUT_S:.0f} s: ic logs redis-1")


def _probe_redis(port: int, password: str) -> ProbeResult:
    connection = _connect(port, password)
    try:
        info = _cluster_info(connection)
    except RedisError as error:
        return ProbeResult(False, type(error).__name__)
    finally:
        connection.close()
    detail = f"cluster {info.get('cluster_state')}, {info.get('cluster_slots_ok')} of {REDIS_SLOTS} slots"
    return ProbeResult(_is_cluster_complete(info), detail)


def _is_cluster_complete(info: dict[str, str]) -> bool:
    return info.get("cluster_state") == "ok" and info.get("cluster_slots_assigned") == str(REDIS_SLOTS)


def _cluster_info(connection: Redis) -> dict[str, str]:
    raw = _run_cluster_command(connection, "INFO")
    if isinstance(raw, dict):
        return {str(key): str(value) for key, value in raw.items()}
    return dict(line.split(":", 1) for line in str(raw).split("\r\n") if ":" in line)


def _run_cluster_command(connection: Redis, *arguments: str | int) -> object:
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
