"""The proxy before the stores of a stack that was made with `--faults`."""

import sys
from collections.abc import Iterator

from devstack import mongo
from devstack.probes import probe_http
from devstack.process import StackProcess, StartStage
from devstack.topology import Topology

FAULT_PROXY_PROCESS = "fault-proxy"
NO_FAULTS = "{}\n"


def fault_proxy_processes(topology: Topology) -> list[StackProcess]:
    """Return the proxy, which starts before the stores: members of a shard reach each other through it."""
    if not topology.faults:
        return []
    ops, known = topology.fault_proxy_ops, dict(list_stores(topology))
    routes = [f"{store}={port}:{topology.listen_port(port)}" for store, port in known.items()]
    options = ("--file", str(topology.store_faults_file), "--ops", str(ops))
    return [
        StackProcess(
            name=FAULT_PROXY_PROCESS,
            stage=StartStage.MAPPER,
            command=(sys.executable, "-m", "devstack.fault_proxy", *options, *routes),
            ports={"ops": ops, **known},
            probe=lambda: probe_http(ops, "/ready"),
        )
    ]


def list_stores(topology: Topology) -> Iterator[tuple[str, int]]:
    """Yield each store's process, and the port that its clients know."""
    for shard in topology.shards:
        for member, port in enumerate(shard.ports):
            yield mongo.mongod_process_name(shard, member), port
    for number, node in enumerate(topology.redis, 1):
        yield f"redis-{number}", node.port
    yield "rabbit", topology.rabbit.amqp
    yield "mailbox", topology.mailbox.smtp


def reset_store_faults(topology: Topology) -> None:
    """End all faults of stores."""
    topology.store_faults_file.write_text(NO_FAULTS)
