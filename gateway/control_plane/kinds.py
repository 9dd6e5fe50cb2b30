"""The kinds of resources that xDS carries, in the order in which a node has to get them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from google.protobuf.message import Message

_PREFIX: Final = "type.googleapis.com/"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `label` is its short name in logs and metrics, `message` its protobuf type.

    Of a kind with `whole_state`, a subscription to no names means all of them, and what a state of the world
    leaves out is gone.
    """

    label: str
    message: str
    name_field: str = "name"
    whole_state: bool = False

    @property
    def type_url(self) -> str:
        return _PREFIX + self.message

    def name_of(self, message: Message) -> str:
        """What a resource of this kind is called."""
        name: str = getattr(message, self.name_field)
        return name


CLUSTERS: Final = Kind("cds", "envoy.config.cluster.v3.Cluster", whole_state=True)
ENDPOINTS: Final = Kind("eds", "envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name")
LISTENERS: Final = Kind("lds", "envoy.config.listener.v3.Listener", whole_state=True)
ROUTES: Final = Kind("rds", "envoy.config.route.v3.RouteConfiguration")
SECRETS: Final = Kind("sds", "envoy.extensions.transport_sockets.tls.v3.Secret")

IN_ORDER: Final = (CLUSTERS, ENDPOINTS, LISTENERS, ROUTES, SECRETS)
"""A route may name a cluster only after the node has the cluster, and a cluster waits for its endpoints."""

BY_TYPE_URL: Final[Mapping[str, Kind]] = MappingProxyType({kind.type_url: kind for kind in IN_ORDER})
BY_MESSAGE: Final[Mapping[str, Kind]] = MappingProxyType({kind.message: kind for kind in IN_ORDER})
