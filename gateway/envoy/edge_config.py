"""What the edge is, beside contracts and mesh file: where it listens, and the pages it answers itself."""

from dataclasses import dataclass
from typing import Final

OTLP_CLUSTER: Final = "otlp"
MAX_BODY_BYTES: Final = 1024 * 1024

API_PAGES: Final = (
    ("/openapi.json", "application/json", "openapi.json"),
    ("/openapi-all.json", "application/json", "openapi-all.json"),
    ("/docs", "text/html; charset=utf-8", "docs.html"),
)
"""The pages about the API: path, content type, and the file in the folder of pages."""


@dataclass(frozen=True)
class EdgeConfig:
    """One gateway. `pages` are answered by Envoy itself: path -> (content type, content).

    `otlp` is where traces go; none are made when it is absent.
    """

    listen: tuple[str, int]
    pages: tuple[tuple[str, str, str], ...] = ()
    otlp: tuple[str, int] | None = None
    trace_percent: float = 100.0
