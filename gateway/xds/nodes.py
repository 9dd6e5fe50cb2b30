"""Who connects: the gateway's Envoy or a service's own channels, and from which region."""

from dataclasses import dataclass
from typing import Any, Final, Self

GATEWAY_GROUP: Final = "gateway"
SERVICES_GROUP: Final = "services"
GROUP_NAMES: Final = (GATEWAY_GROUP, SERVICES_GROUP)

ADS_CLUSTER: Final = "control-plane"
"""The cluster of the control plane itself, which each node knows from its bootstrap."""
_MAX_NODE_ID_CHARS: Final = 256


class XdsProtocolError(Exception):
    """A node broke the protocol; the message is for whoever runs it."""


@dataclass(frozen=True, slots=True)
class XdsNode:
    """A connected node. `group` decides what it gets, `region` what comes first in that."""

    id: str
    group: str
    region: str

    @classmethod
    def of(cls, told: Any) -> Self:
        """From an `envoy.config.core.v3.Node`. Raises ProtocolError when it lacks what has to be known."""
        if not told.id or len(told.id) > _MAX_NODE_ID_CHARS:
            raise XdsProtocolError(
                f"node.id has to have 1 to {_MAX_NODE_ID_CHARS} characters; the bootstrap sets it"
            )
        if told.cluster not in GROUP_NAMES:
            raise XdsProtocolError(
                f"node.cluster has to be one of {', '.join(GROUP_NAMES)}; the bootstrap sets it"
            )
        return cls(told.id, told.cluster, told.locality.region)
