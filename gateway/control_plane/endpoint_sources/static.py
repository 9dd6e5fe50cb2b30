"""Endpoints that the mesh file lists itself."""

import asyncio
from collections.abc import AsyncIterator

from gateway.xds.endpoints import EndpointsByService


class StaticEndpointSource:
    """A constant list of endpoints."""

    def __init__(self, endpoints: EndpointsByService) -> None:
        self._endpoints = endpoints

    async def watch(self) -> AsyncIterator[EndpointsByService]:
        yield self._endpoints
        await asyncio.Event().wait()
