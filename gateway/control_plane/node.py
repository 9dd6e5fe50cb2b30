"""Who connects: the gateway's Envoy or a service's own channels, and from which region."""

from dataclasses import dataclass
from typing import Any, Final, Self

GATEWAY: Final = "gateway"
SERVICES: Final = "services"
GROUPS: Final = (GATEWAY, SERVICES)

_LONGEST: Final = 256


class ProtocolError(Exception):
    """A node broke the protocol; the message is for whoever runs it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A connected node. `group` decides what it gets, `region` what comes first in that."""

    id: str
    group: str
    region: str

    @classmethod
    def of(cls, told: Any) -> Self:
        """From an `envoy.config.core.v3.Node`. Raises ProtocolError when it lacks what has to be known."""
        if not told.id or len(told.id) > _LONGEST:
            raise ProtocolError(f"node.id has to have 1 to {_LONGEST} characters; the bootstrap sets it")
        if told.cluster not in GROUPS:
            raise ProtocolError(f"node.cluster has to be one of {', '.join(GROUPS)}; the bootstrap sets it")
        return cls(told.id, told.cluster, told.locality.region)
