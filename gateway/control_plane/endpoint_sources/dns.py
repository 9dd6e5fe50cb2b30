"""Endpoints of a headless service: every address that its name has."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer

from chassis.observability.logging import get_logger
from gateway.control_plane import metrics
from gateway.xds.endpoints import Endpoint, EndpointsByService

POLL_INTERVAL_S: Final = 3.0
LOOKUP_TIMEOUT_S: Final = 2.0

_log = get_logger()


class DnsEndpointSource:
    """Looks one name up every few seconds; while that fails, the last good answer stands."""

    def __init__(
        self,
        service: str,
        name: str,
        port: int,
        region: str,
        *,
        resolver: Resolver | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._service = service
        self._name = name
        self._port = port
        self._region = region
        self._resolver = resolver or Resolver()
        self._sleep = sleep

    async def watch(self) -> AsyncIterator[EndpointsByService]:
        last_sent: tuple[Endpoint, ...] | None = None
        while True:
            found = await self._resolve(last_sent)
            if found is not None and found != last_sent:
                last_sent = found
                yield {self._service: found}
            await self._sleep(POLL_INTERVAL_S)

    async def _resolve(self, last_sent: tuple[Endpoint, ...] | None) -> tuple[Endpoint, ...] | None:
        try:
            families = await asyncio.gather(self._resolve_family("A"), self._resolve_family("AAAA"))
        except NXDOMAIN:
            # A service that was never found has no endpoints; one that was found is not gone because of one
            # answer.
            return self._failed("there is no such name", last_sent) if last_sent else ()
        except (DNSException, OSError) as error:
            return self._failed(str(error), last_sent)
        return tuple(sorted(Endpoint(host, self._port, self._region) for hosts in families for host in hosts))

    async def _resolve_family(self, family: str) -> list[str]:
        try:
            answer = await self._resolver.resolve(self._name, family, lifetime=LOOKUP_TIMEOUT_S)
        except NoAnswer:
            return []
        return [str(record.address) for record in answer]

    def _failed(self, error: str, last_sent: tuple[Endpoint, ...] | None) -> tuple[Endpoint, ...] | None:
        metrics.source_errors.labels("dns").inc()
        _log.warning("name cannot be looked up", name=self._name, error=error)
        return last_sent
