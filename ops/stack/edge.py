"""The edge of a stack: Envoy in front, and the mailbox that takes the mails."""

import sys
from typing import Final

from ops.stack import binaries
from ops.stack.probes import http_ready
from ops.stack.process import Process, Stage
from ops.stack.topology import Topology

DRAIN_S: Final = 30
"""Within which connections to a listener that was replaced end, among them the one behind the cache."""


def mailbox(topology: Topology) -> Process:
    """The mailbox, which starts with the stores."""
    ports = topology.mailbox
    smtp = topology.own_port(ports.smtp)
    options = ("--smtp", str(smtp), "--http", str(ports.http))
    return Process(
        name="mailbox",
        stage=Stage.STORES,
        command=(sys.executable, "-m", "ops.mailbox", *options, "--data", str(topology.data / "mailbox")),
        ports={"smtp": smtp, "http": ports.http},
        probe=lambda: http_ready(ports.http, "/health"),
    )


def gateway(topology: Topology) -> Process:
    """Envoy, in front of everything: ready when it was told of the services behind it, and they are."""
    config = str(topology.etc / "envoy.json")
    options = ("--concurrency", "1", "--disable-hot-restart", "--drain-time-s", str(DRAIN_S))
    return Process(
        name="envoy",
        stage=Stage.EDGE,
        command=(str(binaries.envoy_proxy()), *options, "-c", config, "--log-level", "warning"),
        ports={"gateway": topology.gateway, "admin": topology.gateway_admin},
        probe=lambda: http_ready(topology.gateway, "/ready"),
    )
