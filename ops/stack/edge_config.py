"""Envoy's bootstrap and the pages it serves, the latter made from the contracts.

Imports the generated stubs: load this after they are built.
"""

import json

from gateway.envoy.bootstrap import EnvoyNode, bootstrap
from gateway.openapi.document import build
from gateway.openapi.page import render_page
from ops.paths import DESCRIPTORS
from ops.stack.edge import config_path
from ops.stack.topology import LOOPBACK, Topology


def write_config(topology: Topology) -> None:
    """Writes where each Envoy finds its control plane, and the pages that they serve."""
    _write_api_page(topology)
    for region in topology.regions:
        node = EnvoyNode(
            id=region.called("gateway"),
            region=region.name,
            admin=(LOOPBACK, region.gateway_admin),
            control_plane=(LOOPBACK, topology.control_plane.grpc),
        )
        config_path(topology, region).write_text(json.dumps(bootstrap(node), indent=2))


def _write_api_page(topology: Topology) -> None:
    document = build(DESCRIPTORS)
    (topology.etc / "openapi.json").write_text(json.dumps(document))
    (topology.etc / "openapi-all.json").write_text(json.dumps(build(DESCRIPTORS, with_older=True)))
    (topology.etc / "docs.html").write_text(render_page(document))
