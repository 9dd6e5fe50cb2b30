"""The edge as the settings describe it, with its pages as they are now."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.control_plane.files import WatchedFile
from gateway.control_plane.settings import ControlPlaneSettings
from gateway.envoy.edge import Edge

OTLP_PORT: Final = 4317
_PAGES: Final = (
    ("/openapi.json", "application/json", "openapi.json"),
    ("/openapi-all.json", "application/json", "openapi-all.json"),
    ("/docs", "text/html; charset=utf-8", "docs.html"),
)


class EdgeFiles:
    """Reads the pages, and reads them again when they change."""

    def __init__(self, settings: ControlPlaneSettings) -> None:
        """A page that is missing is left out. Raises MisconfiguredError for one that cannot be read."""
        host, _, port = settings.gateway_listen.rpartition(":")
        self._listen = (host, int(port))
        self._otlp = _otlp_address(settings.otlp_endpoint)
        self._trace_percent = 100 * settings.trace_sample_ratio
        self._pages = _watched(settings.gateway_pages)

    def edge(self) -> Edge:
        """As it is now."""
        pages = tuple((path, kind, file.value) for path, kind, file in self._pages)
        return Edge(self._listen, pages, self._otlp, self._trace_percent)

    async def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` when a page has changed; goes on until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _, _, file in self._pages:
                tasks.create_task(_tell(file, changed))


async def _tell(file: WatchedFile[str], changed: Callable[[], None]) -> None:
    async for _ in file.changes():
        changed()


def _watched(folder: Path | None) -> list[tuple[str, str, WatchedFile[str]]]:
    if folder is None:
        return []
    found = [(path, kind, folder / name) for path, kind, name in _PAGES if (folder / name).exists()]
    return [(path, kind, WatchedFile(file, bytes.decode)) for path, kind, file in found]


def _otlp_address(endpoint: str) -> tuple[str, int] | None:
    if not endpoint:
        return None
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    return parts.hostname or "127.0.0.1", parts.port or OTLP_PORT
