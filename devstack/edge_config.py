"""Envoy's bootstraps and the pages that it serves; the API page is made from the contracts.

It imports the generated stubs: import it after they are built.
"""

import json

from devstack.edge import envoy_config_path
from devstack.paths import DESCRIPTORS
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK
from gateway.envoy.bootstrap import EnvoyNode, build_bootstrap
from gateway.openapi.files import write_api_pages


def write_gateway_files(topology: Topology) -> None:
    """Write each Envoy's bootstrap, and the pages that they serve."""
    write_api_pages(DESCRIPTORS, topology.etc_folder)
    for region in topology.regions:
        node = EnvoyNode(
            id=region.process_name("gateway"),
            region=region.name,
            admin=(LOOPBACK, region.gateway_admin),
            control_plane=(LOOPBACK, topology.control_plane.grpc),
        )
        envoy_config_path(topology, region).write_text(json.dumps(build_bootstrap(node), indent=2))
