"""The rate limiter of a stack, and its limits."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import gateway.ratelimit
from devstack.credentials import Credentials
from devstack.probes import probe_http
from devstack.process import StackProcess, StartStage
from devstack.telemetry import telemetry_environment
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK

RATE_LIMITER_PROCESS: Final = "rate-limiter"
LIFTED_LIMITS_FACTOR: Final = 1_000
"""The factor of the usual limits that is enough for one user who does the work of many."""
_DEFAULT_LIMITS_FOLDER: Final = Path(gateway.ratelimit.__file__).with_name("config")
_REQUESTS_PER_UNIT: Final = re.compile(r"(?<=requests_per_unit: )\d+")


def rate_limiter_process(topology: Topology, credentials: Credentials) -> StackProcess:
    """Return the process, which needs Redis for its counters."""
    ports = topology.rate_limiter
    return StackProcess(
        name=RATE_LIMITER_PROCESS,
        stage=StartStage.SERVICES,
        command=(sys.executable, "-m", "gateway.ratelimit"),
        ports={"grpc": ports.grpc, "ops": ports.ops},
        probe=lambda: probe_http(ports.ops, "/ready"),
        environment=_process_environment(topology, credentials),
    )


def write_rate_limits(topology: Topology) -> None:
    """Write the limits of this stack; a running limiter reloads them."""
    topology.limits_folder.mkdir(parents=True, exist_ok=True)
    for source in _DEFAULT_LIMITS_FOLDER.glob("*.yaml"):
        text = _REQUESTS_PER_UNIT.sub(
            lambda figure: str(int(figure[0]) * topology.limits_times), source.read_text()
        )
        (topology.limits_folder / source.name).write_text(text)


@contextmanager
def lifted_rate_limits(topology: Topology) -> Iterator[None]:
    """Raise the limits of the running stack by the factor during the block.

    After a `kill -9` they stay raised until `ic up`.
    """
    write_rate_limits(topology.model_copy(update={"limits_times": LIFTED_LIMITS_FACTOR}))
    try:
        yield
    finally:
        write_rate_limits(topology)


def _process_environment(topology: Topology, credentials: Credentials) -> dict[str, str]:
    ports = topology.rate_limiter
    return {
        "IC_STACK": topology.name,
        "IC_ENVIRONMENT": "development",
        "IC_LISTEN_HOST": LOOPBACK,
        "IC_GRPC_PORT": str(ports.grpc),
        "IC_OPS_PORT": str(ports.ops),
        "IC_LIMITS_DIR": str(topology.limits_folder),
        "IC_REDIS_NODES": ",".join(f"{LOOPBACK}:{node.port}" for node in topology.redis),
        "IC_REDIS_PASSWORD": credentials.redis_password,
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONUNBUFFERED": "",
        **telemetry_environment(topology),
    }
