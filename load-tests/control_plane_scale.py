"""A roll-out of a large service under many xDS nodes: its cost to the control plane, and how long it takes.

    PYTHONPATH=gen:. python load-tests/control_plane_scale.py [--endpoints N] [--nodes N] [--seconds S]

A real control plane follows the EndpointSlices of an imitated Kubernetes API over HTTP and serves real gRPC
streams. The roll-out replaces every endpoint, slice by slice: new ones come, then the old ones drain and go.
A node is done when it has only endpoints of the new generation, and as many as it may.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import grpc
import uvloop
import yaml
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from measurement import find_free_port, read_cpu_s, wait_until_listening
from prometheus_client.parser import text_string_to_metric_families

import internshipconnect
from devstack.kubernetes_api import KubernetesApiServer, endpoint_slice, slice_endpoint
from gateway.envoy_types import ClusterLoadAssignment
from gateway.xds.resource_types import CLUSTER_TYPE, ENDPOINT_TYPE
from ops.service_names import SERVICES

SERVICE: Final = "user"
PORT: Final = 5002
SLICE_SIZE: Final = 100
ZONES: Final = ("a", "b", "c")
NODES_PER_CHANNEL: Final = 100
CONVERGENCE_TIMEOUT_S: Final = 600.0
MEGABYTE: Final = 1024 * 1024
MEASURED: Final = ("xds_build_seconds", "xds_change_to_ack_seconds")


@dataclass
class NodeReport:
    """What the nodes have: how many hold only endpoints of each generation, and what they were sent."""

    connected: int = 0
    by_generation: dict[str, int] = field(default_factory=dict)
    sizes: tuple[int, int] = (0, 0)
    responses: int = 0
    response_bytes: int = 0


class SimulatedNode:
    """One services' process, as far as its clusters and the endpoints of one service go."""

    def __init__(self, number: int) -> None:
        self.id = f"application-serve-{number}"
        self.hosts: frozenset[str] = frozenset()
        self.responses = self.response_bytes = 0

    async def run(self, channel: grpc.aio.Channel) -> None:
        """Follow the control plane; again after each end, as gRPC does."""
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await self._follow(channel)
            await asyncio.sleep(1)

    async def _follow(self, channel: grpc.aio.Channel) -> None:
        call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
        node = {"id": self.id, "cluster": "services", "locality": {"region": "local"}}
        await call.write(DiscoveryRequest(node=node, type_url=CLUSTER_TYPE.type_url))
        await call.write(DiscoveryRequest(type_url=ENDPOINT_TYPE.type_url, resource_names=[SERVICE]))
        async for response in call:
            self.responses += 1
            self.response_bytes += response.ByteSize()
            is_endpoints = response.type_url == ENDPOINT_TYPE.type_url
            if is_endpoints:
                self.hosts = frozenset(_hosts(ClusterLoadAssignment.FromString(response.resources[0].value)))
            await call.write(
                DiscoveryRequest(
                    type_url=response.type_url,
                    version_info=response.version_info,
                    response_nonce=response.nonce,
                    resource_names=[SERVICE] if is_endpoints else [],
                )
            )


def _hosts(assignment: ClusterLoadAssignment) -> list[str]:
    return [
        one.endpoint.address.socket_address.address
        for each in assignment.endpoints
        for one in each.lb_endpoints
    ]


async def run_nodes(port: int, count: int) -> None:
    """Simulate nodes, and print a report as JSON four times a second."""
    nodes = [SimulatedNode(number) for number in range(count)]
    async with contextlib.AsyncExitStack() as closing, asyncio.TaskGroup() as tasks:
        for start in range(0, count, NODES_PER_CHANNEL):
            options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
            await closing.enter_async_context(channel)
            for node in nodes[start : start + NODES_PER_CHANNEL]:
                tasks.create_task(node.run(channel))
        while True:
            await asyncio.sleep(0.25)
            print(json.dumps(asdict(_report(nodes))), flush=True)  # noqa: T201


def _report(nodes: list[SimulatedNode]) -> NodeReport:
    report = NodeReport()
    sizes = [len(node.hosts) for node in nodes]
    report.sizes = (min(sizes), max(sizes))
    for node in nodes:
        report.connected += bool(node.hosts)
        report.responses += node.responses
        report.response_bytes += node.response_bytes
        generations = {host.split(".")[1] for host in node.hosts}
        if len(generations) == 1:
            (generation,) = generations
            report.by_generation[generation] = report.by_generation.get(generation, 0) + 1
    return report


class RollOut:
    """The slices of a service, and their replacement."""

    def __init__(self, server: KubernetesApiServer, endpoints: int) -> None:
        self._server = server
        self._sizes = [min(SLICE_SIZE, endpoints - start) for start in range(0, endpoints, SLICE_SIZE)]

    async def begin(self) -> None:
        """Put all slices of the first generation."""
        for number in range(len(self._sizes)):
            await self._put(number, 1)

    async def replace(self, duration_s: float) -> None:
        """Replace slice after slice by one of the second generation."""
        for number in range(len(self._sizes)):
            began = time.monotonic()
            await self._put(number, 2)
            await self._put(number, 1, ready=False, serving=True, terminating=True)
            await asyncio.sleep(max(0.0, duration_s / len(self._sizes) - (time.monotonic() - began)))
            await self._server.delete(f"{SERVICE}-1-{number}")

    async def _put(self, number: int, generation: int, **conditions: bool) -> None:
        members = [
            slice_endpoint(f"10.{generation}.{number}.{index}", zone=ZONES[index % 3], **conditions)
            for index in range(self._sizes[number])
        ]
        await self._server.put(
            endpoint_slice(f"{SERVICE}-{generation}-{number}", SERVICE, members, port=PORT)
        )


class Nodes:
    """The process of the nodes, and its newest report."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.report = NodeReport()
        self._process = process
        self._reported = asyncio.Event()

    async def follow(self) -> None:
        """Read the reports."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.report = NodeReport(**json.loads(line))
            self._reported.set()

    async def wait_for_generation(self, generation: int, count: int) -> None:
        """Return when `count` nodes have only endpoints of that generation. Raises TimeoutError."""
        await self.wait_until(lambda: self.report.by_generation.get(str(generation), 0) >= count)

    async def wait_until(self, is_reached: Callable[[], bool]) -> None:
        """Return when the newest report is as wanted. Raises TimeoutError."""
        async with asyncio.timeout(CONVERGENCE_TIMEOUT_S):
            while not is_reached():
                self._reported.clear()
                await self._reported.wait()


@asynccontextmanager
async def running_nodes(port: int, count: int) -> AsyncIterator[Nodes]:
    """Run the nodes in a process of their own."""
    command = [sys.executable, __file__, "--as-nodes", str(port), "--nodes", str(count)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    nodes = Nodes(process)
    following = asyncio.create_task(nodes.follow())
    try:
        yield nodes
    finally:
        following.cancel()
        process.terminate()
        await process.wait()


@asynccontextmanager
async def running_control_plane(folder: Path, api_url: str) -> AsyncIterator[tuple[int, int, int]]:
    """Run a control plane, and yield its process ID, its port and its ops port."""
    port, ops_port = find_free_port(), find_free_port()
    services: dict[str, Any] = {
        name: {"port": PORT, "endpoints": {"static": [f"10.0.0.1:{PORT}"]}} for name in SERVICES
    }
    services[SERVICE]["endpoints"] = {"kubernetes": {"service": SERVICE, "namespace": "internships"}}
    (folder / "mesh.yaml").write_text(yaml.safe_dump({"services": services}))
    settings = {
        "IC_MESH": str(folder / "mesh.yaml"),
        "IC_DESCRIPTORS": str(
            Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")
        ),
        "IC_GRPC_PORT": str(port),
        "IC_OPS_PORT": str(ops_port),
        "IC_LISTEN_HOST": "127.0.0.1",
        "IC_KUBERNETES_API": api_url,
        "IC_ENVIRONMENT": "development",
        "IC_LOG_LEVEL": "WARNING",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.control_plane", env={**os.environ, **settings}
    )
    try:
        await asyncio.to_thread(wait_until_listening, port)
        yield process.pid, port, ops_port
    finally:
        process.terminate()
        await process.wait()


async def measure(endpoints: int, nodes: int, duration_s: float) -> dict[str, Any]:
    """Run one roll-out, and return the figures."""
    async with contextlib.AsyncExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        server = await closing.enter_async_context(KubernetesApiServer().serving())
        roll_out = RollOut(server, endpoints)
        await roll_out.begin()
        pid, port, ops_port = await closing.enter_async_context(running_control_plane(folder, server.url))
        figures: dict[str, Any] = {"endpoints": endpoints, "nodes": nodes}
        figures["memory_idle_mb"] = _memory_mb(pid)
        began, cpu_s = time.monotonic(), read_cpu_s(pid)
        fleet = await closing.enter_async_context(running_nodes(port, nodes))
        await fleet.wait_for_generation(1, nodes)
        figures["connect_s"] = time.monotonic() - began
        figures["connect_cpu_s"] = read_cpu_s(pid) - cpu_s
        figures["endpoints_per_node"] = fleet.report.sizes
        figures["memory_connected_mb"] = _memory_mb(pid)
        first = _read_metrics(ops_port)
        before, cpu_s, began = fleet.report, read_cpu_s(pid), time.monotonic()
        await roll_out.replace(duration_s)
        figures["roll_out_s"] = ended = time.monotonic() - began
        await fleet.wait_for_generation(2, nodes)
        figures["converged_after_s"] = time.monotonic() - began - ended
        figures["roll_out_cpu_s"] = read_cpu_s(pid) - cpu_s
        figures["memory_after_mb"] = _memory_mb(pid)
        figures["responses_per_node"] = (fleet.report.responses - before.responses) / nodes
        figures["sent_mb"] = (fleet.report.response_bytes - before.response_bytes) / MEGABYTE
        last = _read_metrics(ops_port)
        for name in MEASURED:
            count = last[f"{name}_count"] - first.get(f"{name}_count", 0.0)
            figures[f"{name}, mean of {count:.0f}"] = (
                last[f"{name}_sum"] - first.get(f"{name}_sum", 0.0)
            ) / count
        figures["single_changes_s"] = await _time_single_changes(server, fleet, nodes)
        figures["lists"], figures["watches"] = len(server.lists), len(server.watches)
        return figures


async def _time_single_changes(server: KubernetesApiServer, fleet: Nodes, nodes: int) -> float:
    """Return the median time from the change of one slice until every node has heard of it."""
    times = []
    for generation in (3, 4, 5):
        # One more zone, which has a single endpoint, is in the sub-set of each node.
        member = slice_endpoint(f"10.{generation}.0.1", zone="z")
        began, wanted = time.monotonic(), fleet.report.responses + nodes
        await server.put(endpoint_slice(f"{SERVICE}-z", SERVICE, [member], port=PORT))
        await fleet.wait_until(partial(_has_responses, fleet, wanted))
        times.append(time.monotonic() - began)
        await asyncio.sleep(3)
    return statistics.median(times)


def _read_metrics(ops_port: int) -> dict[str, float]:
    found: dict[str, float] = {}
    with urlopen(f"http://127.0.0.1:{ops_port}/metrics", timeout=30) as answer:
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                if sample.labels.get("type", "eds") == "eds":
                    found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def _has_responses(fleet: Nodes, count: int) -> bool:
    return fleet.report.responses >= count


def _memory_mb(pid: int) -> float:
    line = next(
        each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


def main() -> None:
    """Read the options and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--endpoints", type=int, default=10_000, help="endpoints of the service")
    parser.add_argument("--nodes", type=int, default=2_000, help="xDS streams")
    parser.add_argument("--seconds", type=float, default=90, help="how long the roll-out takes")
    parser.add_argument("--as-nodes", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_nodes:
        uvloop.run(run_nodes(options.as_nodes, options.nodes))
        return
    figures = uvloop.run(measure(options.endpoints, options.nodes, options.seconds))
    for name, value in figures.items():
        print(f"{name:44} {value:.3f}" if isinstance(value, float) else f"{name:44} {value}")  # noqa: T201


if __name__ == "__main__":
    main()
