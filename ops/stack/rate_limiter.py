"""The rate limiter of a stack, and the limits that it holds clients to."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import gateway.ratelimit
from ops.stack.credentials import Credentials
from ops.stack.probes import http_ready
from ops.stack.process import Process, Stage
from ops.stack.topology import LOOPBACK, Topology

PROCESS: Final = "rate-limiter"
LIFTED_TIMES: Final = 1_000
"""How many times the usual limits are more than people reach who do the work of a crowd."""
PASSED_ON: Final = ("IC_OTLP_ENDPOINT", "IC_TRACE_SAMPLE_RATIO", "IC_LOG_LEVEL")
_DEFAULTS: Final = Path(gateway.ratelimit.__file__).with_name("config")
_FIGURE: Final = re.compile(r"(?<=requests_per_unit: )\d+")


def rate_limiter(topology: Topology, credentials: Credentials) -> Process:
    """The process, which needs Redis to count."""
    ports = topology.rate_limiter
    return Process(
        name=PROCESS,
        stage=Stage.SERVICES,
        command=(sys.executable, "-m", "gateway.ratelimit"),
        ports={"grpc": ports.grpc, "ops": ports.ops},
        probe=lambda: http_ready(ports.ops, "/ready"),
        environment=_environment(topology, credentials),
    )


def write_limits(topology: Topology) -> None:
    """Writes the limits of this stack; the limiter takes them over while it runs."""
    topology.limits.mkdir(parents=True, exist_ok=True)
    for source in _DEFAULTS.glob("*.yaml"):
        text = _FIGURE.sub(lambda figure: str(int(figure[0]) * topology.limits_times), source.read_text())
        (topology.limits / source.name).write_text(text)


@contextmanager
def lifted(topology: Topology) -> Iterator[None]:
    """Within the block, clients of the running stack get a thousand times their usual limits.

    After a `kill -9` they stay so until `ic up`.
    """
    write_limits(topology.model_copy(update={"limits_times": LIFTED_TIMES}))
    try:
        yield
    finally:
        write_limits(topology)


def _environment(topology: Topology, credentials: Credentials) -> dict[str, str]:
    ports = topology.rate_limiter
    return {
        "IC_STACK": topology.name,
        "IC_ENVIRONMENT": "development",
        "IC_LISTEN_HOST": LOOPBACK,
        "IC_GRPC_PORT": str(ports.grpc),
        "IC_OPS_PORT": str(ports.ops),
        "IC_LIMITS_DIR": str(topology.limits),
        "IC_REDIS_NODES": ",".join(f"{LOOPBACK}:{node.port}" for node in topology.redis),
        "IC_REDIS_PASSWORD": credentials.redis_password,
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONUNBUFFERED": "",
        **{name: os.environ[name] for name in PASSED_ON if os.environ.get(name)},
    }
