"""RabbitMQ: a node of the stack's own, beside any of the system."""

import amqp
from amqp.exceptions import AMQPError

from devstack import binaries
from devstack.credentials import Credentials, write_private_file
from devstack.probes import PROBE_TIMEOUT_S, probe_port
from devstack.process import ProbeResult, StackProcess, StartStage
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK

BROKER_PROCESS = "rabbit"
RABBIT_USER = RABBIT_VHOST = "ic"
MEMORY_LIMIT = "300MiB"
DISK_FREE_LIMIT = "200MB"
ERLANG_ARGUMENTS = (
    "+S 1:1 +SDcpu 1:1 +SDio 2 +sbwt none +sbwtdcpu none +sbwtdio none "
    "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
)


def rabbit_processes(topology: Topology, credentials: Credentials) -> list[StackProcess]:
    """Return the broker, and a port mapper that is not shared with other Erlang nodes.

    Without a mapper of its own the node would start the machine-wide one and leave it running.
    """
    ports = topology.rabbit
    return [
        StackProcess(
            name="epmd",
            stage=StartStage.MAPPER,
            command=(str(binaries.epmd()), "-port", str(ports.epmd), "-address", LOOPBACK),
            ports={"epmd": ports.epmd},
            probe=lambda: probe_port(ports.epmd),
        ),
        StackProcess(
            name=BROKER_PROCESS,
            stage=StartStage.STORES,
            command=(str(binaries.rabbitmq_server()),),
            ports={"amqp": topology.listen_port(ports.amqp), "dist": ports.dist},
            probe=lambda: _probe_rabbit(topology, credentials),
            environment=_rabbit_environment(topology),
            stop_wait_s=30,
        ),
    ]


def write_rabbit_files(topology: Topology, credentials: Credentials) -> None:
    """Write the node's configuration; its first start creates user and virtual host."""
    home = topology.data_folder / "rabbit"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / ".erlang.cookie").exists():
        write_private_file(home / ".erlang.cookie", credentials.erlang_cookie)
        (home / ".erlang.cookie").chmod(0o400)
    settings = {
        "listeners.tcp.1": f"{LOOPBACK}:{topology.listen_port(topology.rabbit.amqp)}",
        "default_user": RABBIT_USER,
        "default_pass": credentials.rabbit_password,
        "default_vhost": RABBIT_VHOST,
        "vm_memory_high_watermark.absolute": MEMORY_LIMIT,
        "disk_free_limit.absolute": DISK_FREE_LIMIT,
        "raft.wal_max_size_bytes": 16 * 1024 * 1024,
        "log.console": "true",
        "log.console.level": "info",
        "log.file": "false",
    }
    if topology.observe:
        settings |= {"prometheus.tcp.ip": LOOPBACK, "prometheus.tcp.port": topology.observers.rabbit}
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    write_private_file(topology.etc_folder / "rabbitmq.conf", lines)
    plugins = "rabbitmq_prometheus" if topology.observe else ""
    (topology.etc_folder / "rabbitmq-plugins").write_text(f"[{plugins}].\n")
    (topology.etc_folder / "rabbitmq-env.conf").write_text("")


def lacks_metrics(topology: Topology) -> bool:
    """Return whether the broker runs without the metrics that the stack is to have."""
    runs = probe_port(topology.listen_port(topology.rabbit.amqp)).ready
    return topology.observe and runs and not probe_port(topology.observers.rabbit).ready


def _rabbit_environment(topology: Topology) -> dict[str, str]:
    home = topology.data_folder / "rabbit"
    return {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"ic-{topology.name}@localhost",
        "RABBITMQ_CONFIG_FILE": str(topology.etc_folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(topology.etc_folder / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(topology.etc_folder / "rabbitmq-plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_NODE_PORT": str(topology.listen_port(topology.rabbit.amqp)),
        "RABBITMQ_DIST_PORT": str(topology.rabbit.dist),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGUMENTS,
        "ERL_EPMD_PORT": str(topology.rabbit.epmd),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        # The start script then becomes the Erlang machine, so that the supervised pid is the broker's.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def _probe_rabbit(topology: Topology, credentials: Credentials) -> ProbeResult:
    connection = amqp.Connection(
        host=f"{LOOPBACK}:{topology.listen_port(topology.rabbit.amqp)}",
        userid=RABBIT_USER,
        password=credentials.rabbit_password,
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
