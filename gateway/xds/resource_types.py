"""The resource types of xDS, in the order in which a node has to get them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from google.protobuf.message import Message

_TYPE_URL_PREFIX: Final = "type.googleapis.com/"


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource type: `label` is its short name in logs and metrics, `message` its protobuf type.

    Of a type that `requires_full_state`, a subscription without names means all resources, and a response of
    the state of the world removes those that it lacks. One that `is_plain` names no other resources and
    packs no message into another.
    """

    label: str
    message: str
    name_field: str = "name"
    requires_full_state: bool = False
    is_plain: bool = False

    @property
    def type_url(self) -> str:
        return _TYPE_URL_PREFIX + self.message

    def resource_name(self, message: Message) -> str:
        """Return the name of a resource of this type."""
        name: str = getattr(message, self.name_field)
        return name


CLUSTER_TYPE: Final = ResourceType("cds", "envoy.config.cluster.v3.Cluster", requires_full_state=True)
ENDPOINT_TYPE: Final = ResourceType(
    "eds", "envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name", is_plain=True
)
LISTENER_TYPE: Final = ResourceType("lds", "envoy.config.listener.v3.Listener", requires_full_state=True)
ROUTE_TYPE: Final = ResourceType("rds", "envoy.config.route.v3.RouteConfiguration")
SECRET_TYPE: Final = ResourceType("sds", "envoy.extensions.transport_sockets.tls.v3.Secret")

RESOURCE_TYPES_IN_PUSH_ORDER: Final = (CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE)
"""A route may name a cluster only after the node has the cluster, and a cluster waits for its endpoints."""

RESOURCE_TYPE_BY_URL: Final[Mapping[str, ResourceType]] = MappingProxyType(
    {resource_type.type_url: resource_type for resource_type in RESOURCE_TYPES_IN_PUSH_ORDER}
)
RESOURCE_TYPE_BY_MESSAGE: Final[Mapping[str, ResourceType]] = MappingProxyType(
    {resource_type.message: resource_type for resource_type in RESOURCE_TYPES_IN_PUSH_ORDER}
)
