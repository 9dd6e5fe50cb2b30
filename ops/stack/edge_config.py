"""Envoy's configuration and the pages it serves, made from the contracts.

Imports the generated stubs: load this after they are built.
"""

import json
import os
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.bootstrap import EnvoyInputs, render
from gateway.openapi.document import build
from gateway.openapi.page import render_page
from ops.paths import DESCRIPTORS
from ops.stack.topology import LOOPBACK, Topology

OTLP_PORT: Final = 4317


def write_config(topology: Topology) -> None:
    """Writes Envoy's configuration and the pages that it serves."""
    _write_api_page(topology)
    (topology.etc / "envoy.json").write_text(json.dumps(_bootstrap(topology), indent=2))


def _bootstrap(topology: Topology) -> dict[str, Any]:
    inputs = EnvoyInputs(
        descriptor_set=DESCRIPTORS,
        openapi=topology.etc / "openapi.json",
        docs_page=topology.etc / "docs.html",
        upstreams={name: ((LOOPBACK, ports.grpc),) for name, ports in topology.services.items()},
        listen=(LOOPBACK, topology.gateway),
        admin=(LOOPBACK, topology.gateway_admin),
        otlp=_otlp_address(),
        trace_percent=100 * float(os.environ.get("IC_TRACE_SAMPLE_RATIO") or 1),
    )
    return render(inputs)


def _write_api_page(topology: Topology) -> None:
    document = build(DESCRIPTORS)
    (topology.etc / "openapi.json").write_text(json.dumps(document))
    (topology.etc / "docs.html").write_text(render_page(document))


def _otlp_address() -> tuple[str, int] | None:
    endpoint = os.environ.get("IC_OTLP_ENDPOINT", "")
    if not endpoint:
        return None
    parts = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    return parts.hostname or LOOPBACK, parts.port or OTLP_PORT
