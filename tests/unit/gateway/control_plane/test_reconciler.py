"""From endpoints, mesh file and contracts to the published snapshots."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

import internshipconnect
from chassis.contracts import Contracts
from chassis.service_registry import RegistryEntry, ServiceInstance
from gateway.control_plane.endpoint_aggregator import EndpointAggregator
from gateway.control_plane.reconciler import Reconciler
from gateway.control_plane.snapshot_cache import SnapshotCache
from gateway.control_plane.watched_file import WatchedFile, hash_file_content
from gateway.envoy_types import ClusterLoadAssignment
from gateway.proxyless import ProxylessSnapshotBuilder
from gateway.xds.endpoints import Endpoint
from gateway.xds.mesh import Mesh
from gateway.xds.nodes import NodeGroup
from gateway.xds.resource_types import CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE
from gateway.xds.subsets import NodeRankings
from tests.fakes.endpoint_source import FakeEndpointSource
from tests.waiting import wait_until

DESCRIPTORS = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")
MESH = """
services:
  user: {port: 5002, endpoints: {registry: true}}
"""
AUTH = Endpoint("127.0.0.7", 5001, "local")
WITH_DNS = MESH + "  auth: {port: 5001, endpoints: {dns: auth.invalid}}\n"


class ReconcilerHarness:
    """A control plane without a server."""

    def __init__(self, folder: Path) -> None:
        self.registry, self.mesh = folder / "registry", folder / "mesh.yaml"
        self.mesh.write_text(MESH)
        self.cache = SnapshotCache()
        self.reconciler = Reconciler(
            self.cache,
            {"services": ProxylessSnapshotBuilder()},
            WatchedFile(self.mesh, Mesh.parse, poll_interval_s=0.02),
            WatchedFile(DESCRIPTORS, Contracts.from_descriptor_set),
            self.registry,
        )

    def version(self, resource_type: Any = ENDPOINT_TYPE) -> str:
        snapshot = self.cache.snapshots.get(NodeGroup("services", "local"))
        return snapshot.version(resource_type) if snapshot else ""

    async def is_ready(self) -> dict[str, bool]:
        answers = {}
        for check in self.reconciler.checks():
            try:
                await check.check()
                answers[check.name] = True
            except Exception:
                answers[check.name] = False
        return answers


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ReconcilerHarness]:
    harness = ReconcilerHarness(tmp_path)
    running = asyncio.create_task(harness.reconciler.reconcile_forever())
    yield harness
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_control_plane_is_ready_when_it_has_published(harness: ReconcilerHarness) -> None:
    assert (await harness.is_ready())["snapshots"] is False
    await wait_until(harness.version)
    assert await harness.is_ready() == {"sources": True, "snapshots": True}


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> FakeEndpointSource:
    """Return the source that answers for every name, when the test says so."""
    fake = FakeEndpointSource()
    monkeypatch.setattr("gateway.control_plane.endpoint_aggregator.DnsEndpointSource", lambda *_: fake)
    return fake


async def test_an_endpoint_that_registers_is_published(harness: ReconcilerHarness) -> None:
    await wait_until(harness.version)
    before = harness.version()
    registration = RegistryEntry(harness.registry, ServiceInstance("user", "127.0.0.1", 5002, "local"))
    await wait_until(lambda: harness.version() != before)
    registration.remove()
    await wait_until(lambda: harness.version() == before)


async def test_a_mesh_that_does_not_hold_together_leaves_what_was_published(
    harness: ReconcilerHarness,
) -> None:
    await wait_until(harness.version)
    before = harness.version(CLUSTER_TYPE)
    harness.reconciler._builders["services"] = _FailingSnapshotBuilder()  # type: ignore[index]
    errors = REGISTRY.get_sample_value("xds_build_errors_total") or 0
    harness.reconciler.mark_dirty()
    await wait_until(lambda: (REGISTRY.get_sample_value("xds_build_errors_total") or 0) > errors)
    assert harness.version(CLUSTER_TYPE) == before
    assert (await harness.is_ready())["snapshots"] is False


async def test_a_fault_reaches_the_services_and_ends_by_itself(
    harness: ReconcilerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_at = time.time() + 3_600
    await wait_until(harness.version)
    before = harness.version(LISTENER_TYPE)
    file = MESH + f"faults: {{user: {{abort: {{}}, until: {ends_at}}}}}\n"
    harness.mesh.write_text(file)
    await wait_until(lambda: harness.version(LISTENER_TYPE) != before)
    digest = {"digest": hash_file_content(file.encode())}
    await wait_until(lambda: REGISTRY.get_sample_value("xds_mesh_info", digest) == 1)
    monkeypatch.setattr("gateway.control_plane.reconciler.time.time", lambda: ends_at + 1)
    await wait_until(lambda: harness.version(LISTENER_TYPE) == before)


class _FailingSnapshotBuilder:
    def build(self, *_: Any) -> Any:
        raise ValueError("cannot be built")


async def test_nothing_is_published_before_every_source_has_answered(
    tmp_path: Path, dns: FakeEndpointSource
) -> None:
    harness = ReconcilerHarness(tmp_path)
    aggregator = EndpointAggregator(harness.registry, lambda: None)
    aggregator.set_mesh(Mesh.parse(WITH_DNS.encode()))
    await wait_until(lambda: aggregator.unanswered_services() == ["auth"])
    assert aggregator.endpoints() is None
    dns.set_endpoints({"auth": (AUTH,)})
    await wait_until(lambda: aggregator.endpoints() == {"user": (), "auth": (AUTH,)})
    await aggregator.close()


@pytest.mark.usefixtures("dns")
async def test_a_source_that_is_new_later_on_holds_up_its_own_service_only(tmp_path: Path) -> None:
    harness = ReconcilerHarness(tmp_path)
    registration = RegistryEntry(harness.registry, ServiceInstance("user", "127.0.0.1", 5002, "local"))
    aggregator = EndpointAggregator(harness.registry, lambda: None)
    aggregator.set_mesh(Mesh.parse(MESH.encode()))
    await wait_until(aggregator.endpoints)
    aggregator.set_mesh(Mesh.parse(WITH_DNS.encode()))
    found = aggregator.endpoints()
    assert found is not None
    assert [len(found[name]) for name in ("user", "auth")] == [1, 0]
    await aggregator.close()
    registration.remove()


LARGE = f"""
services:
  user: {{port: 5002, endpoints: {{static: {[f"10.0.0.{number}:5002" for number in range(1, 41)]}}}}}
subsets: {{max_endpoints: 10}}
"""


async def test_each_node_of_a_large_service_gets_endpoints_of_its_own(tmp_path: Path) -> None:
    harness = ReconcilerHarness(tmp_path)
    harness.mesh.write_text(LARGE)
    await harness.reconciler._mesh.poll()
    running = asyncio.create_task(harness.reconciler.reconcile_forever())
    await wait_until(harness.version)
    snapshot = harness.cache.snapshots[NodeGroup("services", "local")]
    found: dict[str, set[str]] = {}
    for node in ("user-1", "user-2", "user-1"):
        resource = snapshot.for_node(NodeRankings(node)).resources_of(ENDPOINT_TYPE)["user"]
        assert resource.body is not None
        assignment = ClusterLoadAssignment.FromString(resource.body.value)
        hosts = {
            one.endpoint.address.socket_address.address
            for each in assignment.endpoints
            for one in each.lb_endpoints
        }
        assert len(hosts) == 10
        assert found.setdefault(node, hosts) == hosts
    assert found["user-1"] != found["user-2"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
