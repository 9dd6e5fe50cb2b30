"""The control plane of a stack, and the settings that make other processes members of its mesh."""

import json
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final

import yaml

from devstack import tls
from devstack.paths import DESCRIPTORS
from devstack.probes import probe_http
from devstack.process import StackProcess, StartStage
from devstack.region import StackRegion
from devstack.telemetry import telemetry_environment
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK
from ops.service_names import SERVICES

CONTROL_PLANE_PROCESS: Final = "control-plane"
SERVICE_ROLES: Final = ("serve", "work")
MAX_CONCURRENT_CALLS: Final = 400
"""Calls to a service from one gateway: as many as one instance answers within a second."""
STREAMING_SERVICE: Final = "notification"
_MESH_FILE_HEADER: Final = "# Written by each `ic up`; a change takes effect at once, until then.\n"


def control_plane_process(topology: Topology) -> StackProcess:
    """Return the process, which needs no store."""
    ports = topology.control_plane
    return StackProcess(
        name=CONTROL_PLANE_PROCESS,
        stage=StartStage.CONTROL,
        command=(sys.executable, "-m", "gateway.control_plane"),
        ports={"grpc": ports.grpc, "ops": ports.ops},
        probe=lambda: probe_http(ports.ops, "/ready"),
        environment=_process_environment(topology),
    )


def mesh_environment(topology: Topology, region: StackRegion, process: str) -> dict[str, str]:
    """Return the variables that make a service process of a region a member of the mesh."""
    return {
        "IC_REGISTRY": str(_registry_folder(topology)),
        "IC_REGION": region.name,
        "IC_XDS_BOOTSTRAP": str(_xds_bootstrap_path(topology, process)),
    }


def write_mesh_files(topology: Topology) -> None:
    """Write the mesh file, and each service process's bootstrap for the control plane."""
    topology.mesh_file.write_text(render_mesh_file(_mesh_document(topology)))
    for region, service, role in product(topology.regions, SERVICES, SERVICE_ROLES):
        process = region.process_name(f"{service}-{role}")
        path = _xds_bootstrap_path(topology, process)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_xds_bootstrap(topology, region, process), indent=2))


def render_mesh_file(mesh: Mapping[str, Any]) -> str:
    """Return the mesh file's text."""
    return _MESH_FILE_HEADER + yaml.safe_dump(dict(mesh), sort_keys=False)


def _process_environment(topology: Topology) -> dict[str, str]:
    ports = topology.control_plane
    return {
        "IC_STACK": topology.name,
        "IC_ENVIRONMENT": "development",
        "IC_LISTEN_HOST": LOOPBACK,
        "IC_GRPC_PORT": str(ports.grpc),
        "IC_OPS_PORT": str(ports.ops),
        "IC_MESH": str(topology.mesh_file),
        "IC_DESCRIPTORS": str(DESCRIPTORS),
        "IC_REGISTRY": str(_registry_folder(topology)),
        "IC_GATEWAY_LISTEN": f"{LOOPBACK}:{topology.gateway}",
        "IC_GATEWAY_PAGES": str(topology.etc_folder),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONUNBUFFERED": "",
        **telemetry_environment(topology),
    }


def _mesh_document(topology: Topology) -> dict[str, Any]:
    services: dict[str, Any] = {
        name: {"port": ports.grpc, "max_requests": MAX_CONCURRENT_CALLS, "endpoints": {"registry": True}}
        for name, ports in topology.services.items()
    }
    # Its streams are always open.
    del services[STREAMING_SERVICE]["max_requests"]
    regions = [region.name for region in topology.regions]
    return {"regions": regions, "services": services, "gateway": _gateway_settings(topology)}


def _gateway_settings(topology: Topology) -> dict[str, Any]:
    """Return the gateway's settings: all local clients share an address, so one proxy hop is trusted."""
    settings: dict[str, Any] = {
        "trusted_hops": 1,
        "rate_limits": f"{LOOPBACK}:{topology.rate_limiter.grpc}",
        "issuer": topology.public_url,
        "cors_origins": ["*"],
        "listen": {region.name: f"{LOOPBACK}:{region.gateway}" for region in topology.regions[1:]},
    }
    if topology.tls:
        found = tls.ensure_certificate(topology)
        settings["tls"] = {"certificate": str(found.chain), "key": str(found.key)}
    return settings


def _xds_bootstrap(topology: Topology, region: StackRegion, node: str) -> dict[str, Any]:
    server = {
        "server_uri": f"{LOOPBACK}:{topology.control_plane.grpc}",
        "channel_creds": [{"type": "insecure"}],
        "server_features": ["xds_v3"],
    }
    place = {"cluster": "services", "locality": {"region": region.name}}
    return {"xds_servers": [server], "node": {"id": node, **place}}


def _registry_folder(topology: Topology) -> Path:
    return topology.run_folder / "registry"


def _xds_bootstrap_path(topology: Topology, process: str) -> Path:
    return topology.etc_folder / "xds" / f"{process}.json"
