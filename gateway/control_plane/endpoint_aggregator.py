"""All endpoints of all services of a mesh, from the sources that it names."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, cast

from chassis.concurrency.backoff import jittered_delay_s
from chassis.observability.logging import get_logger
from gateway.control_plane import metrics
from gateway.control_plane.endpoint_sources.dns import DnsEndpointSource
from gateway.control_plane.endpoint_sources.kubernetes import KubernetesEndpointSource, WatchedService
from gateway.control_plane.endpoint_sources.registry import RegistryEndpointSource
from gateway.control_plane.endpoint_sources.static import StaticEndpointSource
from gateway.control_plane.kubernetes.access import KubernetesAccess
from gateway.xds.endpoints import Endpoint, EndpointsByService, EndpointSource
from gateway.xds.mesh import Mesh, MeshEndpointSource, MeshService

SourceKey = tuple[object, ...]

_REGISTRY_KEY: Final[SourceKey] = ("registry",)

_log = get_logger()


class EndpointAggregator:
    """Watches the sources that the mesh names, and calls `on_change` when one of them changes."""

    def __init__(
        self,
        registry: Path,
        on_change: Callable[[], None],
        kubernetes: Callable[[], KubernetesAccess] = KubernetesAccess.of_own_pod,
    ) -> None:
        self._registry = registry
        self._kubernetes = kubernetes
        self._on_change = on_change
        self._mesh: Mesh | None = None
        self._watch_tasks: dict[SourceKey, asyncio.Task[None]] = {}
        self._latest: dict[SourceKey, EndpointsByService] = {}
        self._previous: dict[str, tuple[Endpoint, ...]] = {}
        self._is_complete = False

    def set_mesh(self, mesh: Mesh) -> None:
        """Watch the sources of this mesh; those that the previous mesh had, too, keep running."""
        sources = self._sources(mesh)
        for key in self._watch_tasks.keys() - sources.keys():
            self._watch_tasks.pop(key).cancel()
            self._latest.pop(key, None)
        for key in sources.keys() - self._watch_tasks.keys():
            self._watch_tasks[key] = asyncio.create_task(self._watch(key, sources[key]))
        self._mesh = mesh
        self._on_change()

    def unanswered_services(self) -> list[str]:
        """Return the services of which some source has not answered yet."""
        services = self._mesh.services if self._mesh else {}
        return [name for name, service in services.items() if self._unanswered(name, service)]

    def endpoints(self) -> EndpointsByService | None:
        """Return all endpoints, or None until every source has answered once.

        A service keeps its previous endpoints until a source that was added later has answered.
        """
        if self._mesh is None or (not self._is_complete and self.unanswered_services()):
            return None
        self._is_complete = True
        found = {name: self._endpoints_of(name, service) for name, service in self._mesh.services.items()}
        self._previous = found
        return found

    async def close(self) -> None:
        """Stop watching."""
        for task in self._watch_tasks.values():
            task.cancel()
        await asyncio.gather(*self._watch_tasks.values(), return_exceptions=True)
        self._watch_tasks.clear()

    def _endpoints_of(self, name: str, service: MeshService) -> tuple[Endpoint, ...]:
        if self._unanswered(name, service):
            return self._previous.get(name, ())
        assert self._mesh is not None
        keys = [_source_key(name, service, source, self._mesh) for source in service.endpoints]
        found = [self._latest[key].get(name, ()) for key in dict.fromkeys(keys)]
        return found[0] if len(found) == 1 else tuple(sorted({one for each in found for one in each}))

    def _unanswered(self, name: str, service: MeshService) -> bool:
        mesh = cast(Mesh, self._mesh)
        return any(
            _source_key(name, service, source, mesh) not in self._latest for source in service.endpoints
        )

    def _sources(self, mesh: Mesh) -> dict[SourceKey, EndpointSource]:
        return {
            _source_key(name, service, source, mesh): self._source(name, service, source, mesh)
            for name, service in mesh.services.items()
            for source in service.endpoints
        }

    def _source(
        self, name: str, service: MeshService, source: MeshEndpointSource, mesh: Mesh
    ) -> EndpointSource:
        region = source.region or mesh.regions[0]
        if source.registry:
            return RegistryEndpointSource(self._registry)
        if source.dns:
            return DnsEndpointSource(name, source.dns, service.port, region)
        if source.kubernetes:
            namespace = source.kubernetes.namespace
            return KubernetesEndpointSource(self._kubernetes, namespace, _watched_services(namespace, mesh))
        return StaticEndpointSource(
            {name: tuple(sorted(_parse_static_endpoint(address, region) for address in source.static))}
        )

    async def _watch(self, key: SourceKey, source: EndpointSource) -> None:
        """Watch a source, again after each failure; its last answer stays in force."""
        attempt = 0
        metrics.source_errors.labels(str(key[0]))  # exported as 0 before the first one
        while True:
            try:
                async with aclosing(cast(Any, source.watch())) as answers:
                    async for answer in answers:
                        attempt = 0
                        self._latest[key] = answer
                        self._on_change()
            except Exception:
                metrics.source_errors.labels(str(key[0])).inc()
                _log.exception("endpoint source failed", source=str(key[0]))
            await asyncio.sleep(jittered_delay_s(attempt))
            attempt += 1


def _source_key(name: str, service: MeshService, source: MeshEndpointSource, mesh: Mesh) -> SourceKey:
    if source.registry:
        return _REGISTRY_KEY
    region = source.region or mesh.regions[0]
    if source.dns:
        return ("dns", name, source.dns, service.port, region)
    if source.kubernetes:
        namespace = source.kubernetes.namespace
        return ("kubernetes", namespace, _watched_services(namespace, mesh))
    return ("static", name, source.static, region)


def _watched_services(namespace: str | None, mesh: Mesh) -> tuple[WatchedService, ...]:
    """Return all Services of that namespace that the mesh names: one watch follows them."""
    return tuple(
        sorted(
            WatchedService(name, found.service, found.port, source.region or mesh.regions[0])
            for name, service in mesh.services.items()
            for source in service.endpoints
            if (found := source.kubernetes) is not None and found.namespace == namespace
        )
    )


def _parse_static_endpoint(address: str, region: str) -> Endpoint:
    host, _, port = address.rpartition(":")
    return Endpoint(host.strip("[]"), int(port), region)
