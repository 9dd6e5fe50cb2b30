"""Endpoints that the mesh file lists itself."""

import asyncio
from collections.abc import AsyncIterator

from gateway.control_plane.endpoints.port import Endpoints


class FixedSource:
    """Always the same."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def watch(self) -> AsyncIterator[Endpoints]:
        yield self._endpoints
        await asyncio.Event().wait()
