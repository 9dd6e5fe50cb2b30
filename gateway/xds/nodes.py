"""The nodes that connect: the gateway's Envoys and the services' own channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

GATEWAY_GROUP: Final = "gateway"
SERVICES_GROUP: Final = "services"
GROUP_NAMES: Final = (GATEWAY_GROUP, SERVICES_GROUP)

ADS_CLUSTER: Final = "control-plane"
"""The cluster of the control plane itself, which each node knows from its bootstrap."""
_MAX_NODE_ID_CHARS: Final = 256


class XdsProtocolError(Exception):
    """A node broke the protocol; the message helps its operator."""


class NodeGroup(NamedTuple):
    """The nodes that share a snapshot: those of one group in one region."""

    group: str
    region: str


@dataclass(frozen=True, slots=True)
class XdsNode:
    """A connected node. Its group selects its resources, its region their order of preference."""

    id: str
    group: str
    region: str

    @classmethod
    def from_proto(cls, node: Any) -> Self:
        """Read an `envoy.config.core.v3.Node`. Raise XdsProtocolError without a valid id and cluster."""
        if not node.id or len(node.id) > _MAX_NODE_ID_CHARS:
            raise XdsProtocolError(
                f"node.id has to have 1 to {_MAX_NODE_ID_CHARS} characters; the bootstrap sets it"
            )
        if node.cluster not in GROUP_NAMES:
            raise XdsProtocolError(
                f"node.cluster has to be one of {', '.join(GROUP_NAMES)}; the bootstrap sets it"
            )
        return cls(node.id, node.cluster, node.locality.region)

    def node_group(self, regions: Sequence[str]) -> NodeGroup:
        """Return the node's group in its own region, or in the first one where `regions` lacks that."""
        region = regions[0] if regions and self.region not in regions else self.region
        return NodeGroup(self.group, region)
