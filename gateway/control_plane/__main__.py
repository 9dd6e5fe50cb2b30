"""`python -m gateway.control_plane`."""

from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from chassis.contracts import Contracts
from chassis.process import run_process
from chassis.readiness import ReadinessCheck
from chassis.roles.background_tasks import BackgroundTasks
from chassis.security.mutual_tls import MutualTls
from gateway.control_plane.edge_config_watcher import EdgeConfigWatcher
from gateway.control_plane.kubernetes.access import KubernetesAccess
from gateway.control_plane.pacing import PacingPolicy
from gateway.control_plane.reconciler import Reconciler
from gateway.control_plane.reflection import add_reflection
from gateway.control_plane.server import build_xds_server
from gateway.control_plane.settings import ControlPlaneSettings
from gateway.control_plane.snapshot_cache import SnapshotCache
from gateway.control_plane.watched_file import WatchedFile
from gateway.envoy.snapshot_builder import GatewaySnapshotBuilder
from gateway.proxyless import ProxylessSnapshotBuilder
from gateway.xds.mesh import Mesh
from gateway.xds.nodes import GATEWAY_GROUP, SERVICES_GROUP

# Streams of nodes never end by themselves.
_STREAM_CLOSE_TIMEOUT_S: Final = 0.2


class ControlPlane:
    """Runs the reconciler and the server of its snapshots."""

    def __init__(self, settings: ControlPlaneSettings) -> None:
        self._address = f"{settings.listen_host}:{settings.grpc_port}"
        self._tls = MutualTls.open(settings.tls_folder)
        self._cache = cache = SnapshotCache(
            PacingPolicy(settings.pushes_per_node_per_s, new_streams_per_s=settings.new_streams_per_s)
        )
        self._edge_config_watcher = EdgeConfigWatcher(settings)
        self._health = health_aio.HealthServicer()
        self._server = build_xds_server(
            cache, self._health, max_connection_age_s=settings.max_connection_age_s
        )
        contracts = WatchedFile(settings.descriptors, Contracts.from_descriptor_set)
        add_reflection(self._server, lambda: contracts.value)
        self._reconciler = Reconciler(
            cache,
            {
                GATEWAY_GROUP: GatewaySnapshotBuilder(self._edge_config_watcher.edge_config),
                SERVICES_GROUP: ProxylessSnapshotBuilder(),
            },
            WatchedFile(settings.mesh, Mesh.parse),
            contracts,
            settings.registry,
            kubernetes=partial(
                KubernetesAccess.find, settings.kubernetes_api, settings.kubernetes_credentials
            ),
        )
        self._tasks = BackgroundTasks()

    def checks(self) -> list[ReadinessCheck]:
        return self._reconciler.checks()

    async def start(self) -> None:
        self._bind_port()
        await self._health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        self._tasks.keep_running("control", self._reconciler.reconcile_forever)
        self._tasks.keep_running(
            "pages", partial(self._edge_config_watcher.watch, self._reconciler.mark_dirty)
        )
        self._tasks.keep_running("health", self._report_serving)
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Close all streams: nodes keep their configuration, and reconnect to another process."""
        await self._health.enter_graceful_shutdown()
        await self._tasks.cancel()
        await self._server.stop(min(grace_s, _STREAM_CLOSE_TIMEOUT_S))

    def _bind_port(self) -> None:
        try:
            if self._tls is None:
                self._server.add_insecure_port(self._address)
            else:
                self._server.add_secure_port(self._address, self._tls.server_credentials())
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._address}: {error}") from error

    async def _report_serving(self) -> None:
        """Report NOT_SERVING until the first snapshot is published."""
        await self._cache.published.wait()
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)


async def _prepare(settings: ControlPlaneSettings, _closing: AsyncExitStack) -> ControlPlane:
    return ControlPlane(settings)


if __name__ == "__main__":
    run_process("control-plane", "serve", ControlPlaneSettings, _prepare)
