"""The six services, each in both roles, with their environment."""

import json
import sys
from functools import partial

from devstack.control_plane import mesh_environment
from devstack.credentials import Credentials, service_jwks_path, service_key_path
from devstack.probes import probe_http
from devstack.process import StackProcess, StartStage
from devstack.region import StackRegion
from devstack.telemetry import telemetry_environment
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK
from ops.service_names import SERVICES

SERVICE_ROLES = ("serve", "work")


def service_processes(topology: Topology, credentials: Credentials) -> list[StackProcess]:
    """Return two processes for each service and region: one answers calls, one consumes events."""
    return [
        _service_process(topology, credentials, region, service, role)
        for region in topology.regions
        for service in SERVICES
        for role in SERVICE_ROLES
    ]


def service_environment(
    topology: Topology, credentials: Credentials, service: str, role: str, region: StackRegion | None = None
) -> dict[str, str]:
    """Return the environment of a service process outside the mesh, by the names that the chassis reads.

    Without a region it is that of the first.
    """
    here = (region or topology.regions[0]).services
    ports = here[service]
    own = credentials.services[service]
    peers = {name: f"{LOOPBACK}:{peer.grpc}" for name, peer in here.items()}
    return {
        "IC_STACK": topology.name,
        "IC_ENVIRONMENT": "development",
        "IC_LISTEN_HOST": LOOPBACK,
        "IC_GRPC_PORT": str(ports.grpc),
        "IC_OPS_PORT": str(ports.serve_ops if role == "serve" else ports.work_ops),
        "IC_SLOT_MAP": str(topology.slot_map_file),
        "IC_MONGO_USER": service,
        "IC_MONGO_PASSWORD": own.mongo_password,
        "IC_REDIS_NODES": ",".join(f"{LOOPBACK}:{node.port}" for node in topology.redis),
        "IC_REDIS_PASSWORD": credentials.redis_password,
        "IC_AMQP_URL": credentials.amqp_url(topology),
        "IC_PEERS": json.dumps(peers, separators=(",", ":")),
        "IC_SERVICE_KEY": str(service_key_path(topology, service)),
        "IC_SERVICE_JWKS": str(service_jwks_path(topology)),
        "IC_PAGE_TOKEN_KEY": credentials.page_token_key,
        "IC_DATA_KEY": own.data_key,
        "IC_OTHER_DATA_KEYS": ",".join(own.other_data_keys),
        "IC_SMTP_HOST": LOOPBACK,
        "IC_SMTP_PORT": str(topology.mailbox.smtp),
        "IC_SMTPUTF8": "true",
        "IC_BLOBS": topology.blobs_folder.as_uri(),
        "IC_PUBLIC_URL": topology.public_url,
        "IC_ERASURE_SETTLE_S": "15",
        "IC_FAILED_SIGN_INS_TIMES": str(topology.limits_times),
        # Some machines set these for all Pythons. Without stored bytecode every start compiles every library,
        # and the services flush their log themselves.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONUNBUFFERED": "",
        **telemetry_environment(topology),
    }


def _service_process(
    topology: Topology, credentials: Credentials, region: StackRegion, service: str, role: str
) -> StackProcess:
    name = region.process_name(f"{service}-{role}")
    ports = region.services[service]
    listening = {"grpc": ports.grpc, "ops": ports.serve_ops} if role == "serve" else {"ops": ports.work_ops}
    return StackProcess(
        name=name,
        stage=StartStage.SERVICES,
        command=(sys.executable, "-m", f"services.{service}", role),
        ports=listening,
        probe=partial(probe_http, listening["ops"], "/ready"),
        environment={
            **service_environment(topology, credentials, service, role, region),
            **mesh_environment(topology, region, name),
        },
        region=region.name,
    )
