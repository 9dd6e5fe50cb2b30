"""Endpoints of Services of Kubernetes: the EndpointSlices of one namespace, by one watch."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final, NamedTuple
from urllib.parse import quote

from chassis.concurrency.backoff import keep_reconnecting
from chassis.observability.logging import get_logger
from gateway.control_plane import metrics
from gateway.control_plane.kubernetes.access import KubernetesAccess
from gateway.control_plane.kubernetes.api import KubernetesApi
from gateway.control_plane.kubernetes.endpoint_slices import SERVICE_LABEL, EndpointSlice, merge_slices
from gateway.control_plane.kubernetes.list_watch import ListWatch
from gateway.xds.endpoints import Endpoint, EndpointsByService

MERGE_S: Final = 0.1
"""Changes within this time are passed on together: a roll-out changes many slices many times."""
MAX_RECONNECT_DELAY_S: Final = 30.0

_log = get_logger()


class WatchedService(NamedTuple):
    """A Service whose endpoints at the port of that name are those of a service of the mesh."""

    mesh_service: str
    service: str
    port: str
    region: str


class KubernetesEndpointSource:
    """Follows the EndpointSlices of some Services; while the API is away, the last answer stands."""

    def __init__(
        self,
        access: Callable[[], KubernetesAccess],
        namespace: str | None,
        services: Iterable[WatchedService],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._access = access
        self._namespace = namespace
        self._services = sorted(services)
        self._sleep = sleep

    async def watch(self) -> AsyncIterator[EndpointsByService]:
        changed = asyncio.Event()
        slices = self._list_watch(changed.set)
        following = asyncio.create_task(
            keep_reconnecting(slices.follow, self._report_error, max_s=MAX_RECONNECT_DELAY_S)
        )
        last_sent: EndpointsByService | None = None
        try:
            while True:
                await changed.wait()
                if last_sent is not None:
                    await self._sleep(MERGE_S)
                changed.clear()
                found = self._merge(slices.objects.values())
                if found != last_sent:
                    last_sent = found
                    yield found
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    def _list_watch(self, on_change: Callable[[], None]) -> ListWatch[EndpointSlice]:
        access = self._access()
        namespace = quote(self._namespace or access.read_namespace(), safe="")
        names = ",".join(sorted({each.service for each in self._services}))
        return ListWatch(
            KubernetesApi(access),
            f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
            f"{SERVICE_LABEL} in ({names})",
            EndpointSlice.parse,
            on_change,
        )

    def _merge(self, slices: Iterable[EndpointSlice]) -> EndpointsByService:
        by_service: dict[str, list[EndpointSlice]] = {}
        for each in slices:
            by_service.setdefault(each.service, []).append(each)
        found: dict[str, list[tuple[Endpoint, ...]]] = {}
        for watched in self._services:
            known = by_service.get(watched.service, [])
            own = merge_slices(known, watched.service, watched.port, watched.region)
            found.setdefault(watched.mesh_service, []).append(own)
        return {
            name: parts[0] if len(parts) == 1 else tuple(sorted({one for part in parts for one in part}))
            for name, parts in found.items()
        }

    def _report_error(self, error: Exception) -> None:
        metrics.source_errors.labels("kubernetes").inc()
        _log.warning(
            "endpoint slices cannot be followed; the last ones stand",
            error=f"{type(error).__name__}: {error}",
        )
