"""The proxy before the stores of a stack that was made with `--faults`."""

import sys
from collections.abc import Iterator

from ops.stack import mongo
from ops.stack.probes import http_ready
from ops.stack.process import Process, Stage
from ops.stack.topology import Topology

PROCESS = "fault-proxy"
NO_FAULTS = "{}\n"


def processes(topology: Topology) -> list[Process]:
    """The proxy, which has to be there before the stores: members of a shard find themselves through it."""
    if not topology.faults:
        return []
    ops, known = topology.fault_proxy_ops, dict(stores(topology))
    routes = [f"{store}={port}:{topology.own_port(port)}" for store, port in known.items()]
    options = ("--file", str(topology.store_faults), "--ops", str(ops))
    return [
        Process(
            name=PROCESS,
            stage=Stage.MAPPER,
            command=(sys.executable, "-m", "ops.faults", *options, *routes),
            ports={"ops": ops, **known},
            probe=lambda: http_ready(ops, "/ready"),
        )
    ]


def stores(topology: Topology) -> Iterator[tuple[str, int]]:
    """Each store's process, and the port at which its clients know it."""
    for shard in topology.shards:
        for member, port in enumerate(shard.ports):
            yield mongo.member_name(shard, member), port
    for number, node in enumerate(topology.redis, 1):
        yield f"redis-{number}", node.port
    yield "rabbit", topology.rabbit.amqp
    yield "mailbox", topology.mailbox.smtp


def write_config(topology: Topology) -> None:
    """Ends all faults of stores."""
    topology.store_faults.write_text(NO_FAULTS)
