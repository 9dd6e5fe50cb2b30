"""The kinds of resources that xDS carries, in the order in which a node has to get them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from google.protobuf.message import Message

_TYPE_URL_PREFIX: Final = "type.googleapis.com/"


@dataclass(frozen=True, slots=True)
class ResourceType:
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
        return _TYPE_URL_PREFIX + self.message

    def name_of(self, message: Message) -> str:
        """What a resource of this kind is called."""
        name: str = getattr(message, self.name_field)
        return name


CLUSTER_TYPE: Final = ResourceType("cds", "envoy.config.cluster.v3.Cluster", whole_state=True)
ENDPOINT_TYPE: Final = ResourceType("eds", "envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name")
LISTENER_TYPE: Final = ResourceType("lds", "envoy.config.listener.v3.Listener", whole_state=True)
ROUTE_TYPE: Final = ResourceType("rds", "envoy.config.route.v3.RouteConfiguration")
SECRET_TYPE: Final = ResourceType("sds", "envoy.extensions.transport_sockets.tls.v3.Secret")

RESOURCE_TYPES_IN_PUSH_ORDER: Final = (CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE)
"""A route may name a cluster only after the node has the cluster, and a cluster waits for its endpoints."""

RESOURCE_TYPE_BY_URL: Final[Mapping[str, ResourceType]] = MappingProxyType(
    {kind.type_url: kind for kind in RESOURCE_TYPES_IN_PUSH_ORDER}
)
RESOURCE_TYPE_BY_MESSAGE: Final[Mapping[str, ResourceType]] = MappingProxyType(
    {kind.message: kind for kind in RESOURCE_TYPES_IN_PUSH_ORDER}
)
