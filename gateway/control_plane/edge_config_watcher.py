"""The edge's configuration from the settings, with its present pages."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.control_plane.settings import ControlPlaneSettings
from gateway.control_plane.watched_file import WatchedFile
from gateway.envoy.edge_config import API_PAGES, EdgeConfig

DEFAULT_OTLP_PORT: Final = 4317


class EdgeConfigWatcher:
    """Reads the pages, and reloads those that change."""

    def __init__(self, settings: ControlPlaneSettings) -> None:
        """Read the pages that exist. Raises MisconfiguredError for one that cannot be read."""
        host, _, port = settings.gateway_listen.rpartition(":")
        self._listen = (host, int(port))
        self._otlp = _parse_otlp_address(settings.otlp_endpoint)
        self._trace_percent = 100 * settings.trace_sample_ratio
        self._pages = _watch_pages(settings.gateway_pages)

    def edge_config(self) -> EdgeConfig:
        """Return the configuration with the present pages."""
        pages = tuple((path, kind, file.value) for path, kind, file in self._pages)
        return EdgeConfig(self._listen, pages, self._otlp, self._trace_percent)

    async def watch(self, on_change: Callable[[], None]) -> None:
        """Call `on_change` whenever a page changes, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _, _, file in self._pages:
                tasks.create_task(_notify_on_change(file, on_change))


async def _notify_on_change(file: WatchedFile[str], on_change: Callable[[], None]) -> None:
    async for _ in file.watch_values():
        on_change()


def _watch_pages(folder: Path | None) -> list[tuple[str, str, WatchedFile[str]]]:
    if folder is None:
        return []
    found = [(path, kind, folder / name) for path, kind, name in API_PAGES if (folder / name).exists()]
    return [(path, kind, WatchedFile(file, bytes.decode)) for path, kind, file in found]


def _parse_otlp_address(endpoint: str) -> tuple[str, int] | None:
    if not endpoint:
        return None
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    return parts.hostname or "127.0.0.1", parts.port or DEFAULT_OTLP_PORT
