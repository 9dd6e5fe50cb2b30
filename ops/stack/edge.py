"""The edge of a stack: Envoy in front, and the mailbox that takes the mails."""

import sys
from pathlib import Path
from typing import Final

from ops.stack import binaries, tls
from ops.stack.probes import http_ready, https_ready
from ops.stack.process import Process, Readiness, Stage
from ops.stack.region import Region
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


def gateways(topology: Topology) -> list[Process]:
    """An Envoy a region."""
    return [_gateway(topology, region) for region in topology.regions]


def config_path(topology: Topology, region: Region) -> Path:
    """The bootstrap of a region's Envoy."""
    return topology.etc / f"{region.called('envoy')}.json"


def _gateway(topology: Topology, region: Region) -> Process:
    """Envoy, in front of everything: ready when it was told of the services behind it, and they are."""
    config = str(config_path(topology, region))
    options = ("--concurrency", "1", "--disable-hot-restart", "--drain-time-s", str(DRAIN_S))
    return Process(
        name=region.called("envoy"),
        stage=Stage.EDGE,
        command=(str(binaries.envoy_proxy()), *options, "-c", config, "--log-level", "warning"),
        ports={"gateway": region.gateway, "admin": region.gateway_admin},
        probe=lambda: _is_ready(topology, region),
        region=region.name,
    )


def _is_ready(topology: Topology, region: Region) -> Readiness:
    if topology.tls:
        return https_ready(region.gateway, "/ready", tls.trusting(topology))
    return http_ready(region.gateway, "/ready")
