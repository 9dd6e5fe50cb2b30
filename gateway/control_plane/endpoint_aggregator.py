"""All endpoints of all services of a mesh, from whichever sources it names."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, cast

from chassis.concurrency.backoff import jittered_delay_s
from chassis.observability.logging import get_logger
from gateway.control_plane import metrics
from gateway.control_plane.endpoint_sources.dns import DnsEndpointSource
from gateway.control_plane.endpoint_sources.registry import RegistryEndpointSource
from gateway.control_plane.endpoint_sources.static import StaticEndpointSource
from gateway.xds.endpoints import Endpoint, EndpointsByService, EndpointSource
from gateway.xds.mesh import Mesh, MeshEndpointSource, MeshService

SourceKey = tuple[object, ...]

_REGISTRY_KEY: Final[SourceKey] = ("registry",)

_log = get_logger()


class EndpointAggregator:
    """Watches the sources that the mesh names, and calls `changed` when one of them has something new."""

    def __init__(self, registry: Path, changed: Callable[[], None]) -> None:
        self._registry = registry
        self._changed = changed
        self._mesh: Mesh | None = None
        self._watching: dict[SourceKey, asyncio.Task[None]] = {}
        self._answers: dict[SourceKey, EndpointsByService] = {}
        self._last: dict[str, tuple[Endpoint, ...]] = {}
        self._is_complete = False

    def follow(self, mesh: Mesh) -> None:
        """Watches the sources of this mesh from now on; those that it shares with the one before go on."""
        sources = self._sources(mesh)
        for key in self._watching.keys() - sources.keys():
            self._watching.pop(key).cancel()
            self._answers.pop(key, None)
        for key in sources.keys() - self._watching.keys():
            self._watching[key] = asyncio.create_task(self._watch(key, sources[key]))
        self._mesh = mesh
        self._changed()

    def missing(self) -> list[str]:
        """The services of which some source has not answered yet."""
        services = self._mesh.services if self._mesh else {}
        return [name for name, service in services.items() if self._unanswered(name, service)]

    def endpoints(self) -> EndpointsByService | None:
        """All endpoints; None until every source has answered once.

        A source that is new later on, and has not answered yet, leaves its service what it had.
        """
        if self._mesh is None or (not self._is_complete and self.missing()):
            return None
        self._is_complete = True
        found = {name: self._of(name, service) for name, service in self._mesh.services.items()}
        self._last = found
        return found

    async def close(self) -> None:
        """Watches nothing any more."""
        for task in self._watching.values():
            task.cancel()
        await asyncio.gather(*self._watching.values(), return_exceptions=True)
        self._watching.clear()

    def _of(self, name: str, service: MeshService) -> tuple[Endpoint, ...]:
        if self._unanswered(name, service):
            return self._last.get(name, ())
        assert self._mesh is not None
        keys = [_source_key(name, service, source, self._mesh) for source in service.endpoints]
        return tuple(sorted({one for key in keys for one in self._answers[key].get(name, ())}))

    def _unanswered(self, name: str, service: MeshService) -> bool:
        mesh = cast(Mesh, self._mesh)
        return any(
            _source_key(name, service, source, mesh) not in self._answers for source in service.endpoints
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
        return StaticEndpointSource(
            {name: tuple(sorted(_parse_static_endpoint(address, region) for address in source.static))}
        )

    async def _watch(self, key: SourceKey, source: EndpointSource) -> None:
        """What breaks off is watched anew; the last answer stands meanwhile."""
        attempt = 0
        while True:
            try:
                async with aclosing(cast(Any, source.watch())) as answers:
                    async for answer in answers:
                        attempt = 0
                        self._answers[key] = answer
                        self._changed()
            except Exception:
                metrics.source_errors.labels(str(key[0])).inc()
                _log.exception("source of endpoints broke off", source=str(key[0]))
            await asyncio.sleep(jittered_delay_s(attempt))
            attempt += 1


def _source_key(name: str, service: MeshService, source: MeshEndpointSource, mesh: Mesh) -> SourceKey:
    if source.registry:
        return _REGISTRY_KEY
    region = source.region or mesh.regions[0]
    if source.dns:
        return ("dns", name, source.dns, service.port, region)
    return ("static", name, source.static, region)


def _parse_static_endpoint(address: str, region: str) -> Endpoint:
    host, _, port = address.rpartition(":")
    return Endpoint(host.strip("[]"), int(port), region)
