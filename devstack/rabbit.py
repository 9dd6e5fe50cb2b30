"""RabbitMQ: nodes of the stack's own, beside any of the system.

A redundant stack has three, which form a cluster; each queue then has a member on every one.
"""

import os
import subprocess
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import amqp
from amqp.exceptions import AMQPError

from devstack import binaries
from devstack.credentials import Credentials, write_private_file
from devstack.probes import PROBE_TIMEOUT_S, probe_port
from devstack.process import ProbeResult, StackProcess, StartStage
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK
from ops.errors import OpsError

BROKER_PROCESS = "rabbit"
RABBIT_USER = RABBIT_VHOST = "ic"
MEMORY_LIMIT = "300MiB"
DISK_FREE_LIMIT = "200MB"
ERLANG_ARGUMENTS = (
    "+S 1:1 +SDcpu 1:1 +SDio 2 +sbwt none +sbwtdcpu none +sbwtdio none "
    "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
)
CONTROL_TIMEOUT_S = 120.0


def rabbit_processes(topology: Topology, credentials: Credentials) -> list[StackProcess]:
    """Return the brokers, and a port mapper that is not shared with Erlang nodes of other stacks.

    Without a mapper of its own a node would start the machine-wide one and leave it running.
    """
    epmd = topology.rabbit.epmd
    mapper = StackProcess(
        name="epmd",
        stage=StartStage.MAPPER,
        command=(str(binaries.epmd()), "-port", str(epmd), "-address", LOOPBACK),
        ports={"epmd": epmd},
        probe=lambda: probe_port(epmd),
    )
    brokers = [
        StackProcess(
            name=broker_name(number),
            stage=StartStage.STORES,
            command=(str(binaries.rabbitmq_server()),),
            ports={"amqp": topology.listen_port(broker.amqp), "dist": broker.dist},
            probe=partial(_probe_rabbit, topology.listen_port(broker.amqp), credentials.rabbit_password),
            environment=_rabbit_environment(topology, number),
            stop_wait_s=30,
        )
        for number, broker in enumerate(topology.brokers)
    ]
    return [mapper, *brokers]


def broker_name(number: int) -> str:
    """Return the process name of a broker, counted from 0."""
    return f"{BROKER_PROCESS}-{number + 1}" if number else BROKER_PROCESS


def find_brokers(processes: Iterable[StackProcess]) -> list[StackProcess]:
    """Return the brokers among these processes, the first one first."""
    return [each for each in processes if each.name.partition("-")[0] == BROKER_PROCESS]


def is_formed(topology: Topology) -> bool:
    """Return whether all nodes have been started before, and thus are one cluster."""
    return all(_mnesia_folder(topology, number).exists() for number in range(len(topology.brokers)))


def grow_queues(brokers: Sequence[StackProcess]) -> None:
    """Give each queue a member on every node, also those that were declared while nodes were missing.

    Raises:
        OpsError: not all nodes are one cluster, or a queue cannot get its members.
    """
    if len(brokers) == 1:
        return
    _control(brokers[0], binaries.rabbitmqctl(), "await_online_nodes", str(len(brokers)))
    for broker in brokers:
        node = broker.environment["RABBITMQ_NODENAME"]
        _control(brokers[0], binaries.rabbitmq_queues(), "grow", node, "all")


def write_rabbit_files(topology: Topology, credentials: Credentials) -> None:
    """Write the nodes' configuration; the first start of the first one creates user and virtual host."""
    for number in range(len(topology.brokers)):
        _write_node_files(topology, credentials, number)
    (topology.etc_folder / "rabbitmq-env.conf").write_text("")


def _write_node_files(topology: Topology, credentials: Credentials, number: int) -> None:
    home = _home(topology, number)
    home.mkdir(parents=True, exist_ok=True)
    if not (home / ".erlang.cookie").exists():
        write_private_file(home / ".erlang.cookie", credentials.erlang_cookie)
        (home / ".erlang.cookie").chmod(0o400)
    settings = {
        "listeners.tcp.1": f"{LOOPBACK}:{topology.listen_port(topology.brokers[number].amqp)}",
        "default_user": RABBIT_USER,
        "default_pass": credentials.rabbit_password,
        "default_vhost": RABBIT_VHOST,
        "vm_memory_high_watermark.absolute": MEMORY_LIMIT,
        "disk_free_limit.absolute": DISK_FREE_LIMIT,
        "raft.wal_max_size_bytes": 16 * 1024 * 1024,
        "log.console": "true",
        "log.console.level": "info",
        "log.file": "false",
        **_cluster_settings(topology),
    }
    # The first node tells of the whole cluster.
    has_metrics = topology.observe and number == 0
    if has_metrics:
        settings |= {"prometheus.tcp.ip": LOOPBACK, "prometheus.tcp.port": topology.observers.rabbit}
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    write_private_file(_config_path(topology, number), lines)
    plugins = "rabbitmq_prometheus" if has_metrics else ""
    _plugins_path(topology, number).write_text(f"[{plugins}].\n")


def lacks_metrics(topology: Topology) -> bool:
    """Return whether the first broker runs without the metrics that the stack is to have."""
    runs = probe_port(topology.listen_port(topology.rabbit.amqp)).ready
    return topology.observe and runs and not probe_port(topology.observers.rabbit).ready


def _cluster_settings(topology: Topology) -> dict[str, str]:
    """Return the settings by which several nodes find each other."""
    if len(topology.brokers) == 1:
        return {}
    nodes = {
        f"cluster_formation.classic_config.nodes.{number + 1}": _node_name(topology, number)
        for number in range(len(topology.brokers))
    }
    return {
        "cluster_formation.peer_discovery_backend": "classic_config",
        "cluster_partition_handling": "pause_minority",
        **nodes,
    }


def _rabbit_environment(topology: Topology, number: int) -> dict[str, str]:
    home, ports = _home(topology, number), topology.brokers[number]
    return {
        "HOME": str(home),
        "RABBITMQ_NODENAME": _node_name(topology, number),
        "RABBITMQ_CONFIG_FILE": str(_config_path(topology, number)),
        "RABBITMQ_CONF_ENV_FILE": str(topology.etc_folder / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(_plugins_path(topology, number)),
        "RABBITMQ_MNESIA_BASE": str(_mnesia_folder(topology, number)),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_NODE_PORT": str(topology.listen_port(ports.amqp)),
        "RABBITMQ_DIST_PORT": str(ports.dist),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGUMENTS,
        "ERL_EPMD_PORT": str(topology.rabbit.epmd),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        # The start script then becomes the Erlang machine, so that the supervised pid is the broker's.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def _node_name(topology: Topology, number: int) -> str:
    suffix = f"-{number + 1}" if number else ""
    return f"ic-{topology.name}{suffix}@localhost"


def _home(topology: Topology, number: int) -> Path:
    return topology.data_folder / broker_name(number)


def _plugins_path(topology: Topology, number: int) -> Path:
    return topology.etc_folder / f"{broker_name(number)}-plugins"


def _mnesia_folder(topology: Topology, number: int) -> Path:
    return _home(topology, number) / "mnesia"


def _config_path(topology: Topology, number: int) -> Path:
    return topology.etc_folder / (f"rabbitmq-{number + 1}.conf" if number else "rabbitmq.conf")


def _control(broker: StackProcess, tool: Path, *arguments: str) -> None:
    """Run one of RabbitMQ's tools on a node. Raises OpsError when it fails."""
    done = subprocess.run(
        [str(tool), "--quiet", *arguments],
        env={**os.environ, **broker.environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=CONTROL_TIMEOUT_S,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise OpsError(f"`{tool.name} {' '.join(arguments)}` failed on {broker.name}:\n{said}")


def _probe_rabbit(port: int, password: str) -> ProbeResult:
    connection = amqp.Connection(
        host=f"{LOOPBACK}:{port}",
        userid=RABBIT_USER,
        password=password,
        virtual_host=RABBIT_VHOST,
        connect_timeout=PROBE_TIMEOUT_S,
        read_timeout=PROBE_TIMEOUT_S,
        write_timeout=PROBE_TIMEOUT_S,
    )
    try:
        connection.connect()
    except (OSError, AMQPError) as error:
        return ProbeResult(False, getattr(error, "strerror", None) or type(error).__name__)
    finally:
        connection.close()
    return ProbeResult(True)
