"""What limits cost at the edge: the CPU of Envoy and the limiter for a call, by how it is limited.

    PYTHONPATH=gen:. python load-tests/edge_limits.py [--seconds 4] [--rounds 3]

Needs `h2load` and `redis-server`. A real control plane configures a real Envoy before a real limiter and a
bare echo in the services' place. The variants take turns; one caller without a token calls over gRPC, within
the limit. "a call each" is what the classes cost that must be exact.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from measurement import REDIS_PASSWORD, WARM_UP_S, GrpcLoad, running_redis

from devstack.paths import DESCRIPTORS
from devstack.probes import probe_http, probe_port
from devstack.topology_parts import LOOPBACK
from gateway.envoy.bootstrap import EnvoyNode
from ops.service_names import SERVICES
from verify.bench.child_process import module_command
from verify.bench.constant_read import GET_METHOD, GET_REQUEST
from verify.bench.echo_server import running_echo_server
from verify.bench.filter_measures import LIMITS
from verify.bench.process_cpu import used_cpu_s
from verify.bench.server_process import find_free_ports, running_envoy, running_process

NO_LIMITS, ASKED, QUOTAS = VARIANTS = ("no limits", "a call each", "quotas")
_WITHOUT_QUOTAS: Final = """
import runpy
from gateway.envoy import quotas
quotas.QUOTA_CLASSES = frozenset()
runpy.run_module("gateway.control_plane", run_name="__main__")
"""


@dataclass(frozen=True)
class CallCost:
    """Calls a second, and microseconds of CPU for each."""

    per_s: float
    envoy_us: float
    limiter_us: float


class Edge:
    """The processes of one variant."""

    def __init__(self, variant: str, folder: Path, redis_port: int, closing: ExitStack) -> None:
        self._folder = folder
        self._closing = closing
        self.port, limiter_port, xds_port, admin_port = find_free_ports(4)
        echo = closing.enter_context(running_echo_server())
        self.limiter = self._start(
            module_command("gateway.ratelimit"),
            lambda: probe_port(limiter_port).ready,
            IC_GRPC_PORT=str(limiter_port),
            IC_REDIS_NODES=f"{LOOPBACK}:{redis_port}",
            IC_REDIS_PASSWORD=REDIS_PASSWORD,
            IC_LIMITS_DIR=str(folder / "limits"),
        )
        self._start_control_plane(variant, xds_port, echo.port, limiter_port)
        node = EnvoyNode("gateway-1", "local", (LOOPBACK, admin_port), (LOOPBACK, xds_port))
        envoy = running_envoy(node, folder, lambda: probe_http(self.port, "/ready").ready)
        self.envoy = closing.enter_context(envoy)

    def _start(self, command: Sequence[str], is_ready: Callable[[], bool], **variables: str) -> int:
        [ops_port] = find_free_ports(1)
        environment = {"IC_LISTEN_HOST": LOOPBACK, "IC_OPS_PORT": str(ops_port), **variables}
        return self._closing.enter_context(running_process(command, environment, is_ready))

    def _start_control_plane(self, variant: str, port: int, echo_port: int, limiter_port: int) -> None:
        mesh = self._folder / "mesh.yaml"
        write_mesh(mesh, echo_port, None if variant == NO_LIMITS else limiter_port)
        program = ["-c", _WITHOUT_QUOTAS] if variant == ASKED else ["-m", "gateway.control_plane"]
        self._start(
            [sys.executable, *program],
            lambda: probe_port(port).ready,
            IC_GRPC_PORT=str(port),
            IC_MESH=str(mesh),
            IC_DESCRIPTORS=str(DESCRIPTORS),
            IC_REGISTRY=str(self._folder / "registry"),
            IC_GATEWAY_LISTEN=f"{LOOPBACK}:{self.port}",
        )

    def measure(self, duration_s: int) -> CallCost:
        """Return what a call costs."""
        load = GrpcLoad(GET_METHOD, GET_REQUEST)
        load.run(self.port, WARM_UP_S, self._folder)
        before = [used_cpu_s([pid]) for pid in (self.envoy, self.limiter)]
        answered, per_s = load.run(self.port, duration_s, self._folder)
        after = [used_cpu_s([pid]) for pid in (self.envoy, self.limiter)]
        envoy_us, limiter_us = (
            (now - then) * 1e6 / answered for now, then in zip(after, before, strict=True)
        )
        return CallCost(per_s, envoy_us, limiter_us)


def write_mesh(path: Path, echo_port: int, limiter_port: int | None) -> None:
    """Write the mesh file: the echo is every service."""
    services = {
        name: {"port": echo_port, "endpoints": {"static": [f"{LOOPBACK}:{echo_port}"]}} for name in SERVICES
    }
    gateway = {"rate_limits": f"{LOOPBACK}:{limiter_port}"} if limiter_port else {}
    path.write_text(yaml.safe_dump({"services": services, "gateway": gateway}))


def measure_variant(variant: str, redis_port: int, duration_s: int) -> CallCost:
    """Return what a call costs in a variant, with processes of its own."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as closing:
        folder = Path(name)
        limits = folder / "limits"
        limits.mkdir()
        (limits / "limits.yaml").write_text(LIMITS)
        return Edge(variant, folder, redis_port, closing).measure(duration_s)


def compare_variants(duration_s: int, rounds: int) -> None:
    """Measure all variants in turn, and print the medians."""
    with tempfile.TemporaryDirectory() as name, running_redis(name) as redis_port:
        found = [
            {variant: measure_variant(variant, redis_port, duration_s) for variant in VARIANTS}
            for _ in range(rounds)
        ]
    width = max(map(len, VARIANTS))
    print(f"{'':{width}} {'calls/s':>8} {'Envoy µs':>9} {'limiter µs':>11} {'both':>7} {'of asking':>10}")  # noqa: T201
    for variant in VARIANTS:
        print(f"{variant:{width}} {_format_row([costs[variant] for costs in found], found)}")  # noqa: T201


def _format_row(costs: Sequence[CallCost], rounds: Sequence[dict[str, CallCost]]) -> str:
    per_s, envoy_us, limiter_us = (
        statistics.median(getattr(cost, name) for cost in costs)
        for name in ("per_s", "envoy_us", "limiter_us")
    )
    share = statistics.median(
        _both_us(cost) / _both_us(costs_of_round[ASKED])
        for cost, costs_of_round in zip(costs, rounds, strict=True)
    )
    both_us = statistics.median(map(_both_us, costs))
    return f"{per_s:8.0f} {envoy_us:9.0f} {limiter_us:11.0f} {both_us:7.0f} {share:10.0%}"


def _both_us(cost: CallCost) -> float:
    return cost.envoy_us + cost.limiter_us


def main() -> None:
    """Compare the variants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    compare_variants(given.seconds, given.rounds)


if __name__ == "__main__":
    main()
