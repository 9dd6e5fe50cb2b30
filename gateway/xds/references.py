"""The references of a resource to others, and its canonical form."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from envoy.config.cluster.v3 import cluster_pb2
from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.xds.nodes import ADS_CLUSTER
from gateway.xds.resource_types import (
    CLUSTER_TYPE,
    ENDPOINT_TYPE,
    ROUTE_TYPE,
    SECRET_TYPE,
    ResourceType,
)

ResourceReference = tuple[ResourceType, str]

_ANY_TYPE_NAME: Final = any_pb2.Any.DESCRIPTOR.full_name


def find_references(message: Message) -> frozenset[ResourceReference]:
    """Return the resources that this one needs: endpoints of a cluster, routes of a listener, ..."""
    return frozenset(reference for part in _walk_messages(message) for reference in _direct_references(part))


def canonicalize_message(message: Message) -> None:
    """Repack nested Any messages deterministically, so that equal messages have equal bytes."""
    for part in _child_messages(message):
        if part.DESCRIPTOR.full_name != _ANY_TYPE_NAME:
            canonicalize_message(part)
        elif (inner := _unpack_any(cast(any_pb2.Any, part))) is not None:
            canonicalize_message(inner)
            cast(any_pb2.Any, part).value = inner.SerializeToString(deterministic=True)


def _walk_messages(message: Message) -> Iterator[Message]:
    """Yield the message and all messages in it, Any messages unpacked."""
    if message.DESCRIPTOR.full_name == _ANY_TYPE_NAME:
        inner = _unpack_any(cast(any_pb2.Any, message))
        if inner is not None:
            yield from _walk_messages(inner)
        return
    yield message
    for child in _child_messages(message):
        yield from _walk_messages(child)


def _child_messages(message: Message) -> Iterator[Message]:
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from _messages_of_field(field, value)


def _messages_of_field(field: FieldDescriptor, value: Any) -> Iterable[Message]:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        is_message = entry.fields_by_name["value"].type == FieldDescriptor.TYPE_MESSAGE
        return list(value.values()) if is_message else ()
    return cast(Iterable[Message], value if field.is_repeated else (value,))


def _unpack_any(packed: any_pb2.Any) -> Message | None:
    """Return the packed message; None for a type that this process does not know."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(packed.TypeName())
    except KeyError:
        return None
    inner = message_factory.GetMessageClass(descriptor)()
    inner.ParseFromString(packed.value)
    return inner


def _direct_references(message: Message) -> Iterable[ResourceReference]:
    names = _REFERENCE_FINDERS.get(message.DESCRIPTOR.full_name)
    return [reference for reference in names(message) if reference[1]] if names else ()


def _references_of_cluster(cluster: Any) -> list[ResourceReference]:
    discovered = cluster.type == cluster_pb2.Cluster.EDS and cluster.eds_cluster_config.eds_config.HasField(
        "ads"
    )
    return [(ENDPOINT_TYPE, cluster.eds_cluster_config.service_name or cluster.name)] if discovered else []


def _references_of_rds(rds: Any) -> list[ResourceReference]:
    return [(ROUTE_TYPE, rds.route_config_name)] if rds.config_source.HasField("ads") else []


def _references_of_route(cluster: str) -> list[ResourceReference]:
    """Return a route's cluster; the control plane's own is in the node's bootstrap, in no snapshot."""
    return [(CLUSTER_TYPE, cluster)] if cluster != ADS_CLUSTER else []


_REFERENCE_FINDERS: Final[Mapping[str, Callable[[Any], list[ResourceReference]]]] = MappingProxyType(
    {
        "envoy.config.cluster.v3.Cluster": _references_of_cluster,
        "envoy.extensions.filters.network.http_connection_manager.v3.Rds": _references_of_rds,
        "envoy.config.route.v3.RouteAction": lambda action: _references_of_route(action.cluster),
        "envoy.config.route.v3.RouteAction.RequestMirrorPolicy": lambda mirror: [
            (CLUSTER_TYPE, mirror.cluster)
        ],
        "envoy.config.route.v3.WeightedCluster.ClusterWeight": lambda share: [(CLUSTER_TYPE, share.name)],
        "envoy.config.core.v3.GrpcService.EnvoyGrpc": lambda service: [(CLUSTER_TYPE, service.cluster_name)],
        "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig": lambda config: (
            [(SECRET_TYPE, config.name)] if config.sds_config.HasField("ads") else []
        ),
        "envoy.config.core.v3.HttpUri": lambda uri: [(CLUSTER_TYPE, uri.cluster)],
    }
)
