"""Envoy's bootstraps and the pages that it serves; the API page is made from the contracts.

It imports the generated stubs: import it after they are built.
"""

import json

from devstack.edge import envoy_config_path
from devstack.paths import DESCRIPTORS
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK
from gateway.envoy.bootstrap import EnvoyNode, build_bootstrap
from gateway.openapi.document import build_openapi
from gateway.openapi.page import render_page


def write_gateway_files(topology: Topology) -> None:
    """Write each Envoy's bootstrap, and the pages that they serve."""
    _write_api_pages(topology)
    for region in topology.regions:
        node = EnvoyNode(
            id=region.process_name("gateway"),
            region=region.name,
            admin=(LOOPBACK, region.gateway_admin),
            control_plane=(LOOPBACK, topology.control_plane.grpc),
        )
        envoy_config_path(topology, region).write_text(json.dumps(build_bootstrap(node), indent=2))


def _write_api_pages(topology: Topology) -> None:
    document = build_openapi(DESCRIPTORS)
    (topology.etc_folder / "openapi.json").write_text(json.dumps(document))
    (topology.etc_folder / "openapi-all.json").write_text(
        json.dumps(build_openapi(DESCRIPTORS, with_older=True))
    )
    (topology.etc_folder / "docs.html").write_text(render_page(document))
