"""The edge's own configuration, besides contracts and mesh file: its address, and its pages."""

from dataclasses import dataclass
from typing import Final

from gateway.envoy.quota_policy import DEFAULT_QUOTA_POLICY, QuotaPolicy

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
    """One gateway. Envoy itself serves `pages`: path -> (content type, content).

    `otlp` is the address of the trace collector; without one there are no traces.
    """

    listen: tuple[str, int]
    pages: tuple[tuple[str, str, str], ...] = ()
    otlp: tuple[str, int] | None = None
    trace_percent: float = 100.0
    quotas: QuotaPolicy = DEFAULT_QUOTA_POLICY
