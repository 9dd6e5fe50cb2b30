"""A small world: real echo servers, a real Envoy, proxyless channels, and the control plane between them."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import grpc
import httpx
import trustme
import yaml
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from prometheus_client import REGISTRY

import internshipconnect
from chassis.contracts import Contracts
from chassis.grpc.mesh import CONTROL_PLANE_NAME
from chassis.ids import new_id
from chassis.security.mutual_tls import MutualTls
from chassis.service_registry import RegistryEntry, ServiceInstance
from devstack import binaries
from gateway.control_plane.reconciler import Reconciler
from gateway.control_plane.server import build_xds_server
from gateway.control_plane.snapshot_cache import SnapshotCache
from gateway.control_plane.watched_file import WatchedFile, hash_file_content
from gateway.envoy.bootstrap import EnvoyNode, build_bootstrap
from gateway.envoy.edge_config import EdgeConfig
from gateway.envoy.quota_policy import QuotaPolicy
from gateway.envoy.snapshot_builder import GatewaySnapshotBuilder
from gateway.proxyless import ProxylessSnapshotBuilder
from gateway.xds.mesh import Mesh, MeshTls
from gateway.xds.mutual_tls import (
    grpc_bootstrap_fields,
    grpc_control_plane_credentials,
    render_mesh_secrets,
)
from gateway.xds.nodes import GATEWAY_GROUP, SERVICES_GROUP
from gateway.xds.snapshot_builder import SnapshotBuilder
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from internshipconnect.options.v1 import options_pb2
from tests.mounted_secret import MountedSecret
from tests.ports import free_port
from tests.waiting import WAIT_TIMEOUT_S
from tests.waiting import wait_until as wait_until  # noqa: PLC0414

DESCRIPTORS = Path(next(iter(internshipconnect.__path__))).with_name("internshipconnect.binpb")
SERVICE_NAMES = ("auth", "user", "internship", "application", "notification", "analytics")
LISTING = "int_01JD0000000000000000000000"
PATIENT_DEADLINE_MS = 30_000
PATIENT_QUOTA_POLICY = QuotaPolicy(ask_timeout_s=30, report_timeout_s=30)
"""The limiter may take long to answer on a busy machine, which must not matter to the counts."""
PATH = f"/api/v1/internships/{LISTING}"
CALLER = "caller"
"""The name in the certificate of a caller without a proxy."""
VariantName = Literal["state of the world", "delta"]


class _AnyMethodHandler(grpc.GenericRpcHandler):
    """Answers every call of a service with a listing whose title says who answered."""

    def __init__(self, echo: "EchoInstance") -> None:
        self._echo = echo

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if "internshipconnect" not in details.method:
            return None

        async def answer(request: bytes, context: Any) -> bytes:
            self._echo.calls += 1
            self._echo.request = request
            self._echo.metadata = dict(context.invocation_metadata())
            self._echo.time_left_s = context.time_remaining() or 0.0
            self._echo.methods.add(details.method)
            await asyncio.sleep(self._echo.takes_s)
            if self._echo.code is not None:
                await context.abort(self._echo.code, "as the test wants it")
            listing = pb.Internship(id=LISTING, title=self._echo.title)
            name = details.method.rpartition("/")[2]
            return self._echo.answers.get(name, listing.SerializeToString())

        return grpc.unary_unary_rpc_method_handler(answer)


class EchoInstance:
    """One server that registers itself as an instance of a service."""

    def __init__(self, registry: Path, service: str, region: str, tls: MutualTls | None = None) -> None:
        self.port = 0
        self._tls = tls
        self.calls = 0
        self.methods: set[str] = set()
        self.request = b""
        self.metadata: dict[str, str] = {}
        self.time_left_s = 0.0
        self.takes_s = 0.0
        self.answers: dict[str, bytes] = {}
        self.code: grpc.StatusCode | None = None
        self._registry, self._service, self._region = registry, service, region

    @property
    def title(self) -> str:
        return f"{self._region}:{self.port}"

    async def start(self) -> Self:
        self._health = health_aio.HealthServicer()
        self._server = grpc.aio.server()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers((_AnyMethodHandler(self),))
        if self._tls is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("127.0.0.1:0", self._tls.server_credentials())
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        instance = ServiceInstance(self._service, "127.0.0.1", self.port, self._region)
        self.registration = RegistryEntry(self._registry, instance, entry_name=str(self.port))
        return self

    async def leave(self, drain_s: float = 1.0) -> None:
        """Leave as a service process does on SIGTERM."""
        self.registration.mark_draining()
        await asyncio.sleep(drain_s)
        await self._health.enter_graceful_shutdown()
        await self._server.stop(5)
        self.registration.remove()

    async def die(self) -> None:
        """Stop at once, without deregistration."""
        self.registration.remove()
        await self._server.stop(0)


OVERLOADED_REASON = "OVERLOADED"
CALLS_THAT_SHOW_A_CHANGE = 30
"""The calls in a row that do not all miss an endpoint which is called at all."""


@dataclass
class LoadTally:
    """The answers to many calls, one after the other on several tasks."""

    titles: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    refused: int = 0
    """Calls that an instance on a busy machine has put off; where they went was right."""

    @property
    def answered(self) -> int:
        return sum(self.titles.values())

    @property
    def handled(self) -> int:
        return self.answered + self.refused + len(self.failures)


def _with_patient_deadlines(descriptors: bytes) -> bytes:
    """Return the contracts with deadlines that a busy machine keeps.

    Servers, load and control plane share one event loop here, which a new snapshot holds for a while.
    """
    files = FileDescriptorSet.FromString(descriptors)
    for method in (method for file in files.file for service in file.service for method in service.method):
        policy = method.options.Extensions[options_pb2.rpc]
        if policy.deadline_ms:
            policy.deadline_ms = max(policy.deadline_ms, PATIENT_DEADLINE_MS)
    return files.SerializeToString()


class ControlPlaneHarness:
    """Everything of one test, in a folder of its own."""

    def __init__(self, folder: Path, closing: AsyncExitStack, *, is_patient: bool = False) -> None:
        """With `is_patient` calls have longer deadlines than in their contracts."""
        self.folder = folder
        self.registry = folder / "registry"
        self.descriptors = folder / "contracts.binpb"
        self.mesh_file = folder / "mesh.yaml"
        self.listen, self.admin, self.ads = free_port(), free_port(), free_port()
        self.snapshot_cache = SnapshotCache()
        self.builders: dict[str, SnapshotBuilder] = {
            GATEWAY_GROUP: GatewaySnapshotBuilder(
                lambda: EdgeConfig(("127.0.0.1", self.listen), quotas=PATIENT_QUOTA_POLICY)
            ),
            SERVICES_GROUP: ProxylessSnapshotBuilder(),
        }
        self.secrets: dict[str, MountedSecret] = {}
        self._closing = closing
        self._gateway: dict[str, Any] = {}
        self._plane: asyncio.Task[None] | None = None
        self._server: grpc.aio.Server | None = None
        contracts = DESCRIPTORS.read_bytes()
        self.descriptors.write_bytes(_with_patient_deadlines(contracts) if is_patient else contracts)
        self.write_mesh()

    def use_mutual_tls(self, authority: trustme.CA) -> None:
        """Give every process a certificate for its name; call it before any of them starts."""
        for name in (*SERVICE_NAMES, CONTROL_PLANE_NAME, GATEWAY_GROUP, CALLER):
            names = (name, "localhost") if name == CONTROL_PLANE_NAME else (name,)
            self.secrets[name] = MountedSecret(self.folder / "tls" / name, names, authority)

    def identity(self, name: str) -> MutualTls | None:
        """Return the credentials of a process, where there is mutual TLS."""
        return MutualTls(self.secrets[name].folder) if name in self.secrets else None

    def write_mesh(self, regions: tuple[str, ...] = ("local",), **changes: Any) -> None:
        """Replace the mesh file in one step, as a careful editor does."""
        self._gateway = changes.get("gateway", {})
        services = {service: {"port": 5001, "endpoints": {"registry": True}} for service in SERVICE_NAMES}
        content = {"regions": list(regions), "services": services, **changes}
        unfinished = self.mesh_file.with_suffix(".new")
        unfinished.write_text(yaml.safe_dump(content))
        unfinished.rename(self.mesh_file)

    async def change_mesh(self, **changes: Any) -> None:
        """Change the mesh file, and return when every connected node has confirmed it."""
        self.write_mesh(**{"gateway": self._gateway, **changes})
        labels = {"digest": hash_file_content(self.mesh_file.read_bytes())}
        await wait_until(
            lambda: REGISTRY.get_sample_value("xds_mesh_info", labels), "the file to be taken over"
        )
        await wait_until(self._is_confirmed, "all nodes to confirm it")

    def _is_confirmed(self) -> bool:
        return all(
            stream.is_current(subscription)
            for stream in self.snapshot_cache.streams()
            for subscription in stream.subscriptions.values()
        )

    async def start_control_plane(self) -> None:
        self.snapshot_cache = SnapshotCache()
        self.reconciler = Reconciler(
            self.snapshot_cache,
            self.builders,
            WatchedFile(self.mesh_file, Mesh.parse, poll_interval_s=0.1),
            WatchedFile(self.descriptors, Contracts.from_descriptor_set, poll_interval_s=0.1),
            self.registry,
        )
        health = health_aio.HealthServicer()
        await health.set("", health_pb2.HealthCheckResponse.SERVING)
        self._server = build_xds_server(self.snapshot_cache, health)
        address = f"127.0.0.1:{self.ads}"
        if (tls := self.identity(CONTROL_PLANE_NAME)) is not None:
            self._server.add_secure_port(address, tls.server_credentials())
        else:
            self._server.add_insecure_port(address)
        self._plane = asyncio.create_task(self.reconciler.reconcile_forever())
        await self._server.start()

    async def stop_control_plane(self) -> None:
        if self._plane is not None and self._server is not None:
            self._plane.cancel()
            await asyncio.gather(self._plane, return_exceptions=True)
            await self._server.stop(0)
            self._plane = self._server = None

    async def echo(self, service: str = "internship", region: str = "local") -> EchoInstance:
        started = await EchoInstance(self.registry, service, region, self.identity(service)).start()
        self._closing.push_async_callback(started._server.stop, 0)
        return started

    async def envoy(self, variant: VariantName = "delta", region: str = "local") -> None:
        """Start Envoy; it is killed in the end."""
        node = EnvoyNode("gateway-1", region, ("127.0.0.1", self.admin), ("127.0.0.1", self.ads), variant)
        if GATEWAY_GROUP in self.secrets:
            tls = MeshTls(folder=self.secrets[GATEWAY_GROUP].folder)
            for name, content in render_mesh_secrets(tls).items():
                (self.folder / name).write_text(json.dumps(content))
            node = replace(node, mesh_secrets=self.folder)
        config = self.folder / "envoy.json"
        config.write_text(json.dumps(build_bootstrap(node)))
        log = (self.folder / "envoy.log").open("w")
        options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "info")
        process = subprocess.Popen(
            [str(binaries.envoy_proxy()), *options, "-c", str(config)], stdout=log, stderr=subprocess.STDOUT
        )
        self._closing.callback(log.close)
        self._closing.callback(process.wait)
        self._closing.callback(process.kill)

    def proxyless(self, service: str = "internship", region: str = "local") -> grpc.aio.Channel:
        """Return a channel that finds its endpoints by itself."""
        secret = self.secrets.get(CALLER)
        config = {
            "xds_servers": [
                {
                    "server_uri": f"{'localhost' if secret else '127.0.0.1'}:{self.ads}",
                    "channel_creds": (
                        grpc_control_plane_credentials(secret.folder) if secret else [{"type": "insecure"}]
                    ),
                    "server_features": ["xds_v3"],
                }
            ],
            **(grpc_bootstrap_fields(secret.folder) if secret else {}),
            "node": {"id": f"test-{region}", "cluster": "services", "locality": {"region": region}},
        }
        path = self.folder / f"xds-{region}.json"
        path.write_text(json.dumps(config))
        os.environ["GRPC_XDS_BOOTSTRAP"] = str(path)
        tls, target = self.identity(CALLER), f"xds:///{service}"
        channel = (
            grpc.aio.insecure_channel(target)
            if tls is None
            else grpc.aio.secure_channel(target, grpc.xds_channel_credentials(tls.channel_credentials()))
        )
        self._closing.push_async_callback(channel.close)
        return channel

    async def ask_gateway(self, path: str | None = None) -> httpx.Response:
        """Read a path, by default a listing that nobody has read before."""
        path = path or f"/api/v1/internships/{new_id('int')}"
        async with httpx.AsyncClient() as client:
            return await client.get(f"http://127.0.0.1:{self.listen}{path}", timeout=WAIT_TIMEOUT_S)

    async def gateway_answers(self) -> bool:
        try:
            return (await self.ask_gateway()).status_code == 200
        except httpx.TransportError:
            return False

    async def admin_text(self, path: str) -> str:
        """Return what Envoy's own administration answers."""
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{self.admin}{path}")).text

    @asynccontextmanager
    async def gateway_load(self, tasks: int = 4) -> AsyncIterator[LoadTally]:
        """Call through Envoy until the block ends, and count the answers."""
        load = LoadTally()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.listen}") as client:

            async def call() -> None:
                # Another listing each time, or the cache would answer.
                answer = await client.get(f"/api/v1/internships/{new_id('int')}", timeout=WAIT_TIMEOUT_S)
                if answer.status_code != 200:
                    raise AssertionError(f"{answer.status_code} {answer.text[:200]}")
                _count_title(load, answer.json()["title"])

            async with _calling_repeatedly(call, load, tasks):
                yield load

    @asynccontextmanager
    async def proxyless_load(self, channel: grpc.aio.Channel, tasks: int = 4) -> AsyncIterator[LoadTally]:
        """Call over the channel until the block ends."""
        load = LoadTally()
        stub: Any = InternshipServiceStub(channel)

        async def call() -> None:
            answer = await stub.GetInternship(
                pb.GetInternshipRequest(internship_id=LISTING), timeout=WAIT_TIMEOUT_S
            )
            _count_title(load, answer.title)

        async with _calling_repeatedly(call, load, tasks):
            yield load


async def wait_for_calls(echo: EchoInstance, times: int) -> None:
    """Return when it has been called this number of times more."""
    before = echo.calls
    await wait_until(lambda: echo.calls > before + times, f"{times} calls to {echo.title}")


async def wait_until_unused(echo: EchoInstance, load: LoadTally) -> None:
    """Return when the load's next calls all go elsewhere."""

    async def is_unused() -> bool:
        calls, handled = echo.calls, load.handled
        await wait_until(lambda: load.handled >= handled + CALLS_THAT_SHOW_A_CHANGE)
        return echo.calls == calls

    await wait_until(is_unused, f"no calls to {echo.title}")


def _count_title(load: LoadTally, title: str) -> None:
    load.titles[title] = load.titles.get(title, 0) + 1


@asynccontextmanager
async def _calling_repeatedly(call: Callable[[], Any], load: LoadTally, tasks: int) -> AsyncIterator[None]:
    over = asyncio.Event()

    async def again_and_again() -> None:
        while not over.is_set():
            try:
                await call()
            except Exception as error:
                if OVERLOADED_REASON in repr(error):
                    load.refused += 1
                else:
                    load.failures.append(repr(error)[:400])
            await asyncio.sleep(0.005)

    running = [asyncio.create_task(again_and_again()) for _ in range(tasks)]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*running)
