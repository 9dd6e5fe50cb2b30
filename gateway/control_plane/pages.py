"""The edge as the settings describe it."""

from typing import Final
from urllib.parse import urlsplit

from gateway.control_plane.settings import ControlPlaneSettings
from gateway.envoy.edge import Edge

OTLP_PORT: Final = 4317
_PAGES: Final = (
    ("/openapi.json", "application/json", "openapi.json"),
    ("/docs", "text/html; charset=utf-8", "docs.html"),
)


def edge_of(settings: ControlPlaneSettings) -> Edge:
    """Where the gateway listens, with its pages as they are now; a page that is missing is left out."""
    host, _, port = settings.gateway_listen.rpartition(":")
    return Edge(
        listen=(host, int(port)),
        pages=_pages(settings),
        otlp=_otlp_address(settings.otlp_endpoint),
        trace_percent=100 * settings.trace_sample_ratio,
    )


def _pages(settings: ControlPlaneSettings) -> tuple[tuple[str, str, str], ...]:
    folder = settings.gateway_pages
    if folder is None:
        return ()
    found = [(path, kind, folder / name) for path, kind, name in _PAGES if (folder / name).exists()]
    return tuple((path, kind, file.read_text()) for path, kind, file in found)


def _otlp_address(endpoint: str) -> tuple[str, int] | None:
    if not endpoint:
        return None
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    return parts.hostname or "127.0.0.1", parts.port or OTLP_PORT
