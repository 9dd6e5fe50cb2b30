"""What a resource names of others, and its one canonical form."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from envoy.config.cluster.v3 import cluster_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.control_plane.kinds import CLUSTERS, ENDPOINTS, ROUTES, Kind
from gateway.envoy.edge import ADS_CLUSTER

Reference = tuple[Kind, str]

_ANY: Final = Packed.DESCRIPTOR.full_name


def references_of(message: Message) -> frozenset[Reference]:
    """The resources that this one needs: endpoints of a cluster, routes and clusters of a listener, ..."""
    return frozenset(reference for part in _parts(message) for reference in _named_by(part))


def make_canonical(message: Message) -> None:
    """Packs what is packed inside anew, so that equal messages serialize to equal bytes."""
    for part in _children(message):
        if part.DESCRIPTOR.full_name != _ANY:
            make_canonical(part)
        elif (inner := _unpacked(cast(Packed, part))) is not None:
            make_canonical(inner)
            cast(Packed, part).value = inner.SerializeToString(deterministic=True)


def _parts(message: Message) -> Iterator[Message]:
    """The message and all within, packed ones unpacked."""
    if message.DESCRIPTOR.full_name == _ANY:
        inner = _unpacked(cast(Packed, message))
        if inner is not None:
            yield from _parts(inner)
        return
    yield message
    for child in _children(message):
        yield from _parts(child)


def _children(message: Message) -> Iterator[Message]:
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from _messages_in(field, value)


def _messages_in(field: FieldDescriptor, value: Any) -> Iterable[Message]:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        is_message = entry.fields_by_name["value"].type == FieldDescriptor.TYPE_MESSAGE
        return list(value.values()) if is_message else ()
    return cast(Iterable[Message], value if field.is_repeated else (value,))


def _unpacked(packed: Packed) -> Message | None:
    """What is inside; None for a type that this process does not know."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(packed.TypeName())
    except KeyError:
        return None
    inner = message_factory.GetMessageClass(descriptor)()
    inner.ParseFromString(packed.value)
    return inner


def _named_by(message: Message) -> Iterable[Reference]:
    names = _NAMING.get(message.DESCRIPTOR.full_name)
    return [reference for reference in names(message) if reference[1]] if names else ()


def _of_cluster(cluster: Any) -> list[Reference]:
    discovered = cluster.type == cluster_pb2.Cluster.EDS and cluster.eds_cluster_config.eds_config.HasField(
        "ads"
    )
    return [(ENDPOINTS, cluster.eds_cluster_config.service_name or cluster.name)] if discovered else []


def _of_rds(rds: Any) -> list[Reference]:
    return [(ROUTES, rds.route_config_name)] if rds.config_source.HasField("ads") else []


def _of_route(cluster: str) -> list[Reference]:
    """The control plane itself is known to a node from its start, and no snapshot holds it."""
    return [(CLUSTERS, cluster)] if cluster != ADS_CLUSTER else []


_NAMING: Final[Mapping[str, Callable[[Any], list[Reference]]]] = MappingProxyType(
    {
        "envoy.config.cluster.v3.Cluster": _of_cluster,
        "envoy.extensions.filters.network.http_connection_manager.v3.Rds": _of_rds,
        "envoy.config.route.v3.RouteAction": lambda action: _of_route(action.cluster),
        "envoy.config.route.v3.RouteAction.RequestMirrorPolicy": lambda mirror: [(CLUSTERS, mirror.cluster)],
        "envoy.config.route.v3.WeightedCluster.ClusterWeight": lambda share: [(CLUSTERS, share.name)],
        "envoy.config.core.v3.GrpcService.EnvoyGrpc": lambda service: [(CLUSTERS, service.cluster_name)],
        "envoy.config.core.v3.HttpUri": lambda uri: [(CLUSTERS, uri.cluster)],
    }
)
