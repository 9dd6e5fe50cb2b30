"""A source of endpoints that sends what a test sets."""

import asyncio
from collections.abc import AsyncIterator

from gateway.xds.endpoints import EndpointsByService


class FakeEndpointSource:
    """A source without a result until `set_endpoints` is called."""

    def __init__(self) -> None:
        self._now: EndpointsByService | None = None
        self._changed = asyncio.Event()

    def set_endpoints(self, endpoints: EndpointsByService) -> None:
        """Set the complete list of endpoints."""
        self._now = endpoints
        self._changed.set()

    async def watch(self) -> AsyncIterator[EndpointsByService]:
        last_sent: EndpointsByService | None = None
        while True:
            if self._now is not None and self._now != last_sent:
                last_sent = self._now
                yield last_sent
            await self._changed.wait()
            self._changed.clear()
