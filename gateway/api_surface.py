"""The RPCs that the gateway offers, and the service that answers each."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, cast

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.contracts import Contracts, RpcSpec, imported_contracts
from chassis.grpc.field_names import list_message_types
from chassis.grpc.rule_descriptions import allowed_enum_names, item_rules_of

_OLDER_PATHS_DEPRECATED_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)
_OLDER_PATHS_SUNSET_AT: Final = datetime(2027, 11, 1, tzinfo=UTC)
OLDER_PATH_HEADERS: Final = (
    f"@{_OLDER_PATHS_DEPRECATED_AT.timestamp():.0f}",
    format_datetime(_OLDER_PATHS_SUNSET_AT, usegmt=True),
)
"""The headers of answers at older paths: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594)."""
REFLECTION_METHOD: Final = "ServerReflectionInfo"
REFLECTION_SERVICES: Final = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
"""The versions of gRPC reflection that the gateway offers."""


def edge_rpcs(contracts: Contracts | None = None) -> tuple[RpcSpec, ...]:
    """Return the RPCs that clients outside may call: all but those between services.

    They are those of `contracts`; by default, of the contracts that this process has imported.
    """
    return tuple(rpc for rpc in (contracts or imported_contracts()).rpcs if rpc.callers != {"SERVICE"})


def service_of(rpc: RpcSpec) -> str:
    """Return the service that answers an RPC: `internshipconnect.auth.v1.AuthService` -> `auth`."""
    return rpc.service.split(".")[1]


def is_output_only(field: FieldDescriptor) -> bool:
    """Return whether only the server sets a field."""
    behaviour = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.OUTPUT_ONLY in behaviour


def writable_enum_names(rpcs: Iterable[RpcSpec]) -> Mapping[str, tuple[str, ...]]:
    """Return the accepted names of each enum over all requests, by the enum's full name."""
    names: dict[str, dict[str, None]] = {}
    for field in _writable_fields(rpcs):
        if field.enum_type is not None:
            known = names.setdefault(field.enum_type.full_name, {})
            known |= dict.fromkeys(allowed_enum_names(item_rules_of(field).enum, field))
    return {name: tuple(known) for name, known in sorted(names.items())}


def _writable_fields(rpcs: Iterable[RpcSpec]) -> Iterator[FieldDescriptor]:
    for rpc in rpcs:
        for message in list_message_types(cast(Descriptor, rpc.request_type.DESCRIPTOR)):
            if message.file.package == "google.protobuf":
                continue
            yield from (field for field in message.fields if not is_output_only(field))
