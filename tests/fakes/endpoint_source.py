"""A source of endpoints that tells what a test gives it."""

import asyncio
from collections.abc import AsyncIterator

from gateway.xds.endpoints import EndpointsByService


class FakeEndpointSource:
    """Has nothing to say until `tell` is called."""

    def __init__(self) -> None:
        self._now: EndpointsByService | None = None
        self._changed = asyncio.Event()

    def tell(self, endpoints: EndpointsByService) -> None:
        """From now on these are all."""
        self._now = endpoints
        self._changed.set()

    async def watch(self) -> AsyncIterator[EndpointsByService]:
        told: EndpointsByService | None = None
        while True:
            if self._now is not None and self._now != told:
                told = self._now
                yield told
            await self._changed.wait()
            self._changed.clear()
