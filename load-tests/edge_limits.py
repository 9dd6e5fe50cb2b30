"""What limits cost at the edge: the CPU of Envoy and the limiter for a call, by how it is limited.

    PYTHONPATH=gen:. python load-tests/edge_limits.py [--seconds 4] [--rounds 3]

Needs `h2load` and `redis-server`. A real control plane configures a real Envoy before a real limiter and a
bare echo in the services' place. The variants take turns; one caller without a token calls over gRPC, within
the limit. "a call each" is what the classes cost that must be exact.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import uvloop
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from measurement import (
    POLL_INTERVAL_S,
    REDIS_PASSWORD,
    WARM_UP_S,
    GrpcLoad,
    build_echo_server,
    find_free_port,
    read_cpu_s,
    running_redis,
    wait_for_sigterm,
    wait_until_listening,
)

import internshipconnect
from devstack import binaries
from gateway.envoy.bootstrap import EnvoyNode, build_bootstrap
from internshipconnect.internship.v1 import internship_pb2
from ops.waiting import wait_until

CALL_PATH: Final = "/internshipconnect.internship.v1.InternshipService/GetInternship"
LISTING_ID: Final = "int_01JD0000000000000000000000"
SERVICES: Final = ("auth", "user", "internship", "application", "notification", "analytics")
NO_LIMITS, ASKED, QUOTAS = VARIANTS = ("no limits", "a call each", "quotas")
GATEWAY_START_TIMEOUT_S: Final = 120.0
LIMITS: Final = """
domain: internshipconnect
descriptors:
  - key: class
    value: PUBLIC_API
    descriptors:
      - {key: address, rate_limit: {unit: second, requests_per_unit: 1000000}}
"""
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


async def serve_echo(port: int) -> None:
    """Answer as a healthy service with one listing, until SIGTERM."""
    listing = internship_pb2.Internship(id=LISTING_ID, title="Backend internship")
    server = build_echo_server(CALL_PATH, listing.SerializeToString())
    health = health_aio.HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await wait_for_sigterm()
    await server.stop(1)


@contextmanager
def running(command: Sequence[str], folder: Path, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process until the block ends."""
    with (folder / f"{Path(command[-1]).name[:20]}.log").open("ab") as log:
        process = subprocess.Popen(command, env=os.environ | variables, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def write_mesh(path: Path, echo_port: int, limiter_port: int | None) -> None:
    """Write the mesh file: the echo is every service."""
    services = {
        name: {"port": echo_port, "endpoints": {"static": [f"127.0.0.1:{echo_port}"]}} for name in SERVICES
    }
    gateway = {"rate_limits": f"127.0.0.1:{limiter_port}"} if limiter_port else {}
    path.write_text(yaml.safe_dump({"services": services, "gateway": gateway}))


class Edge:
    """The processes of one variant."""

    def __init__(self, variant: str, folder: Path, redis_port: int, closing: ExitStack) -> None:
        self.port = find_free_port()
        self._folder = folder
        self._closing = closing
        echo_port, limiter_port, xds_port = find_free_port(), find_free_port(), find_free_port()
        self._start([sys.executable, __file__, "--echo", str(echo_port)])
        self.limiter = self._start(
            [sys.executable, "-m", "gateway.ratelimit"],
            IC_GRPC_PORT=str(limiter_port),
            IC_OPS_PORT=str(find_free_port()),
            IC_REDIS_NODES=f"127.0.0.1:{redis_port}",
            IC_REDIS_PASSWORD=REDIS_PASSWORD,
            IC_LIMITS_DIR=str(folder / "limits"),
        )
        for port in (echo_port, limiter_port):
            wait_until_listening(port)
        self._start_control_plane(variant, xds_port, echo_port, limiter_port)
        self.envoy = self._start_envoy(xds_port)

    def _start(self, command: Sequence[str], **variables: str) -> "subprocess.Popen[bytes]":
        own = {"IC_LISTEN_HOST": "127.0.0.1", **variables}
        return self._closing.enter_context(running(command, self._folder, **own))

    def _start_control_plane(self, variant: str, port: int, echo_port: int, limiter_port: int) -> None:
        mesh = self._folder / "mesh.yaml"
        write_mesh(mesh, echo_port, None if variant == NO_LIMITS else limiter_port)
        descriptors = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")
        program = ["-c", _WITHOUT_QUOTAS] if variant == ASKED else ["-m", "gateway.control_plane"]
        self._start(
            [sys.executable, *program],
            IC_GRPC_PORT=str(port),
            IC_OPS_PORT=str(find_free_port()),
            IC_MESH=str(mesh),
            IC_DESCRIPTORS=str(descriptors),
            IC_REGISTRY=str(self._folder / "registry"),
            IC_GATEWAY_LISTEN=f"127.0.0.1:{self.port}",
        )
        wait_until_listening(port)

    def _start_envoy(self, xds_port: int) -> "subprocess.Popen[bytes]":
        node = EnvoyNode("gateway-1", "local", ("127.0.0.1", find_free_port()), ("127.0.0.1", xds_port))
        config = self._folder / "envoy.json"
        config.write_text(json.dumps(build_bootstrap(node)))
        options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
        envoy = self._start([str(binaries.envoy_proxy()), *options, "-c", str(config)])
        if not wait_until(self._is_ready, timeout_s=GATEWAY_START_TIMEOUT_S, interval_s=POLL_INTERVAL_S):
            raise SystemExit("\n".join(path.read_text()[-2_000:] for path in self._folder.glob("*.log")))
        return envoy

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/ready").status_code == 200
        except httpx.TransportError:
            return False

    def measure(self, duration_s: int) -> CallCost:
        """Return what a call costs."""
        message = internship_pb2.GetInternshipRequest(internship_id=LISTING_ID).SerializeToString()
        load = GrpcLoad(CALL_PATH, message)
        load.run(self.port, WARM_UP_S, self._folder)
        before = [read_cpu_s(process.pid) for process in (self.envoy, self.limiter)]
        answered, per_s = load.run(self.port, duration_s, self._folder)
        after = [read_cpu_s(process.pid) for process in (self.envoy, self.limiter)]
        envoy_us, limiter_us = (
            (now - then) * 1e6 / answered for now, then in zip(after, before, strict=True)
        )
        return CallCost(per_s, envoy_us, limiter_us)


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
    """Compare the variants, or be the echo of one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--echo", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.echo:
        uvloop.run(serve_echo(given.echo))
    else:
        compare_variants(given.seconds, given.rounds)


if __name__ == "__main__":
    main()
