"""`python -m gateway.control_plane`."""

from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from chassis.contracts import Contracts
from chassis.process import live
from chassis.readiness import Check
from chassis.roles.role import Tasks
from gateway.control_plane.control import Control
from gateway.control_plane.files import WatchedFile
from gateway.control_plane.hub import Hub
from gateway.control_plane.mesh import Mesh
from gateway.control_plane.node import GATEWAY, SERVICES
from gateway.control_plane.pages import EdgeFiles
from gateway.control_plane.proxyless import ProxylessBuilder
from gateway.control_plane.reflection import add_reflection
from gateway.control_plane.settings import ControlPlaneSettings
from gateway.control_plane.wire import ads_server
from gateway.envoy.builder import GatewayBuilder

# A stream of a node never ends by itself.
_STREAMS_END_S: Final = 0.2


class ControlPlane:
    """Serves what `Control` keeps up to date."""

    def __init__(self, settings: ControlPlaneSettings) -> None:
        self._address = f"{settings.listen_host}:{settings.grpc_port}"
        self._hub = hub = Hub()
        self._edge = EdgeFiles(settings)
        self._health = health_aio.HealthServicer()
        self._server = ads_server(hub, self._health)
        contracts = WatchedFile(settings.descriptors, Contracts.read)
        add_reflection(self._server, lambda: contracts.value)
        self._control = Control(
            hub,
            {GATEWAY: GatewayBuilder(self._edge.edge), SERVICES: ProxylessBuilder()},
            WatchedFile(settings.mesh, Mesh.parse),
            contracts,
            settings.registry,
        )
        self._tasks = Tasks()

    def checks(self) -> list[Check]:
        return self._control.checks()

    async def start(self) -> None:
        self._listen()
        await self._health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        self._tasks.keep("control", self._control.run)
        self._tasks.keep("pages", partial(self._edge.watch, self._control.changed))
        self._tasks.keep("health", self._say_when_serving)
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Nodes keep what they have, and come back to another replica or to the next process."""
        await self._health.enter_graceful_shutdown()
        await self._tasks.cancel()
        await self._server.stop(min(grace_s, _STREAMS_END_S))

    def _listen(self) -> None:
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._address}: {error}") from error

    async def _say_when_serving(self) -> None:
        """Whoever asks before there is a snapshot is told to wait."""
        await self._hub.published.wait()
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)


async def _prepare(settings: ControlPlaneSettings, _closing: AsyncExitStack) -> ControlPlane:
    return ControlPlane(settings)


if __name__ == "__main__":
    live("control-plane", "serve", ControlPlaneSettings, _prepare)
