"""From endpoints, mesh file and contracts to what is published."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

import internshipconnect
from chassis.contracts import Contracts
from chassis.registration import Instance, Registration
from gateway.control_plane.control import Control
from gateway.control_plane.endpoints import Endpoint
from gateway.control_plane.files import WatchedFile, digest_of
from gateway.control_plane.gatherer import Gatherer
from gateway.control_plane.hub import Hub
from gateway.control_plane.kinds import CLUSTERS, ENDPOINTS, LISTENERS
from gateway.control_plane.mesh import Mesh
from gateway.control_plane.proxyless import ProxylessBuilder
from tests.fakes.endpoint_source import FakeSource
from tests.waiting import until

DESCRIPTORS = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")
MESH = """
services:
  user: {port: 5002, endpoints: {registry: true}}
"""
AUTH = Endpoint("127.0.0.7", 5001, "local")
WITH_DNS = MESH + "  auth: {port: 5001, endpoints: {dns: auth.invalid}}\n"


class Plane:
    """A control plane without a server."""

    def __init__(self, folder: Path) -> None:
        self.registry, self.mesh = folder / "registry", folder / "mesh.yaml"
        self.mesh.write_text(MESH)
        self.hub = Hub()
        self.control = Control(
            self.hub,
            {"services": ProxylessBuilder()},
            WatchedFile(self.mesh, Mesh.parse, every_s=0.02),
            WatchedFile(DESCRIPTORS, Contracts.read),
            self.registry,
        )

    def version(self, kind: Any = ENDPOINTS) -> str:
        snapshot = self.hub.snapshots.get(("services", "local"))
        return snapshot.version(kind) if snapshot else ""

    async def is_ready(self) -> dict[str, bool]:
        answers = {}
        for check in self.control.checks():
            try:
                await check.ask()
                answers[check.name] = True
            except Exception:
                answers[check.name] = False
        return answers


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    plane = Plane(tmp_path)
    running = asyncio.create_task(plane.control.run())
    yield plane
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_control_plane_is_ready_when_it_has_published(plane: Plane) -> None:
    assert (await plane.is_ready())["snapshots"] is False
    await until(plane.version)
    assert await plane.is_ready() == {"sources": True, "snapshots": True}


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    """Answers for every name, when it is told to."""
    fake = FakeSource()
    monkeypatch.setattr("gateway.control_plane.gatherer.DnsSource", lambda *_: fake)
    return fake


async def test_an_endpoint_that_registers_is_published(plane: Plane) -> None:
    await until(plane.version)
    before = plane.version()
    registration = Registration(plane.registry, Instance("user", "127.0.0.1", 5002, "local"))
    await until(lambda: plane.version() != before)
    registration.withdraw()
    await until(lambda: plane.version() == before)


async def test_a_mesh_that_does_not_hold_together_leaves_what_was_published(plane: Plane) -> None:
    await until(plane.version)
    before = plane.version(CLUSTERS)
    plane.control._builders["services"] = _Failing()  # type: ignore[index]
    errors = REGISTRY.get_sample_value("xds_build_errors_total") or 0
    plane.control.changed()
    await until(lambda: (REGISTRY.get_sample_value("xds_build_errors_total") or 0) > errors)
    assert plane.version(CLUSTERS) == before
    assert (await plane.is_ready())["snapshots"] is False


async def test_a_fault_reaches_the_services_and_ends_by_itself(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_at = time.time() + 3_600
    await until(plane.version)
    before = plane.version(LISTENERS)
    file = MESH + f"faults: {{user: {{abort: {{}}, until: {ends_at}}}}}\n"
    plane.mesh.write_text(file)
    await until(lambda: plane.version(LISTENERS) != before)
    digest = {"digest": digest_of(file.encode())}
    await until(lambda: REGISTRY.get_sample_value("xds_mesh_info", digest) == 1)
    monkeypatch.setattr("gateway.control_plane.control.time.time", lambda: ends_at + 1)
    await until(lambda: plane.version(LISTENERS) == before)


class _Failing:
    def build(self, *_: Any) -> Any:
        raise ValueError("cannot be built")


async def test_nothing_is_published_before_every_source_has_answered(tmp_path: Path, dns: FakeSource) -> None:
    plane = Plane(tmp_path)
    gatherer = Gatherer(plane.registry, lambda: None)
    gatherer.follow(Mesh.parse(WITH_DNS.encode()))
    await until(lambda: gatherer.missing() == ["auth"])
    assert gatherer.endpoints() is None
    dns.tell({"auth": (AUTH,)})
    await until(lambda: gatherer.endpoints() == {"user": (), "auth": (AUTH,)})
    await gatherer.close()


@pytest.mark.usefixtures("dns")
async def test_a_source_that_is_new_later_on_holds_up_its_own_service_only(tmp_path: Path) -> None:
    plane = Plane(tmp_path)
    registration = Registration(plane.registry, Instance("user", "127.0.0.1", 5002, "local"))
    gatherer = Gatherer(plane.registry, lambda: None)
    gatherer.follow(Mesh.parse(MESH.encode()))
    await until(gatherer.endpoints)
    gatherer.follow(Mesh.parse(WITH_DNS.encode()))
    found = gatherer.endpoints()
    assert found is not None
    assert [len(found[name]) for name in ("user", "auth")] == [1, 0]
    await gatherer.close()
    registration.withdraw()
