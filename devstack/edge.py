"""The edge of a stack: Envoy, and the mailbox that receives the mails."""

import sys
from pathlib import Path
from typing import Final

from devstack import binaries, tls
from devstack.probes import probe_http, probe_https
from devstack.process import ProbeResult, StackProcess, StartStage
from devstack.region import StackRegion
from devstack.topology import Topology

GATEWAY_DRAIN_S: Final = 30
"""The time in which connections to a replaced listener end, that of the cache to `origin` among them."""


def mailbox_process(topology: Topology) -> StackProcess:
    """Return the mailbox, which starts with the stores."""
    ports = topology.mailbox
    smtp = topology.listen_port(ports.smtp)
    options = ("--smtp", str(smtp), "--http", str(ports.http))
    return StackProcess(
        name="mailbox",
        stage=StartStage.STORES,
        command=(
            sys.executable,
            "-m",
            "devstack.mailbox",
            *options,
            "--data",
            str(topology.data_folder / "mailbox"),
        ),
        ports={"smtp": smtp, "http": ports.http},
        probe=lambda: probe_http(ports.http, "/health"),
    )


def gateway_processes(topology: Topology) -> list[StackProcess]:
    """Return one Envoy for each region."""
    return [_gateway_process(topology, region) for region in topology.regions]


def envoy_config_path(topology: Topology, region: StackRegion) -> Path:
    """Return the bootstrap of a region's Envoy."""
    return topology.etc_folder / f"{region.process_name('envoy')}.json"


def _gateway_process(topology: Topology, region: StackRegion) -> StackProcess:
    """Return a region's Envoy, which is ready when it knows the services and they are ready."""
    config = str(envoy_config_path(topology, region))
    options = ("--concurrency", "1", "--disable-hot-restart", "--drain-time-s", str(GATEWAY_DRAIN_S))
    return StackProcess(
        name=region.process_name("envoy"),
        stage=StartStage.EDGE,
        command=(str(binaries.envoy_proxy()), *options, "-c", config, "--log-level", "warning"),
        ports={"gateway": region.gateway, "admin": region.gateway_admin},
        probe=lambda: _probe_gateway(topology, region),
        region=region.name,
    )


def _probe_gateway(topology: Topology, region: StackRegion) -> ProbeResult:
    if topology.tls:
        return probe_https(region.gateway, "/ready", tls.client_ssl_context(topology))
    return probe_http(region.gateway, "/ready")
