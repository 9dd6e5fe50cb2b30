"""Contracts as read from the descriptors: RPCs, error reasons, events.

All that follows from a contract (interceptors, routes, limits, documentation) is derived from here; no policy
is written twice.
"""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self, cast

import grpc
from google.api import annotations_pb2, http_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import (
    Descriptor,
    EnumValueDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2

import internshipconnect
from internshipconnect.errors.v1 import reason_pb2
from internshipconnect.options.v1 import options_pb2

ERROR_DOMAIN = "internshipconnect"
DEFAULT_MAX_REQUEST_BYTES: Final = 1024 * 1024
"""The largest request of an RPC whose contract names no other bound."""
HTTP_BODY_TYPE: Final = "google.api.HttpBody"
_SCOPE_PREFIX: Final = "API_KEY_SCOPE_"
_OWN_PACKAGES: Final = f"{ERROR_DOMAIN}."

# The HTTP status of each gRPC status, after google/rpc/code.proto; Envoy's transcoder uses the same.
HTTP_STATUS_BY_CODE: Mapping[grpc.StatusCode, int] = MappingProxyType(
    {
        grpc.StatusCode.OK: 200,
        grpc.StatusCode.CANCELLED: 499,
        grpc.StatusCode.UNKNOWN: 500,
        grpc.StatusCode.INVALID_ARGUMENT: 400,
        grpc.StatusCode.DEADLINE_EXCEEDED: 504,
        grpc.StatusCode.NOT_FOUND: 404,
        grpc.StatusCode.ALREADY_EXISTS: 409,
        grpc.StatusCode.PERMISSION_DENIED: 403,
        grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
        grpc.StatusCode.FAILED_PRECONDITION: 400,
        grpc.StatusCode.ABORTED: 409,
        grpc.StatusCode.OUT_OF_RANGE: 400,
        grpc.StatusCode.UNIMPLEMENTED: 501,
        grpc.StatusCode.INTERNAL: 500,
        grpc.StatusCode.UNAVAILABLE: 503,
        grpc.StatusCode.DATA_LOSS: 500,
        grpc.StatusCode.UNAUTHENTICATED: 401,
    }
)


class ContractError(Exception):
    """A contract lacks what every contract must declare; found at start-up."""


@dataclass(frozen=True, slots=True)
class HttpBinding:
    """One HTTP binding of an RPC: `GET`, `/api/v1/things/{thing_id}`, and the field that the body fills.

    `body` is "*" for the whole request, "" for none.
    """

    method: str
    path: str
    body: str


@dataclass(frozen=True)
class RpcSpec:
    """One RPC as its contract declares it.

    `full_name` is `<package>.<Service>.<Method>`, `path` is gRPC's `/<package>.<Service>/<Method>`, `callers`
    are the admitted ones by name without prefix, e.g. `PUBLIC`, `COMPANY_OWNER`. The canonical HTTP binding
    comes first.
    """

    full_name: str
    service: str
    name: str
    path: str
    request_type: type[Message]
    response_type: type[Message]
    policy: options_pb2.RpcPolicy
    http: tuple[HttpBinding, ...]
    callers: frozenset[str]
    client_streaming: bool
    server_streaming: bool

    @property
    def body(self) -> str:
        """The field that the HTTP body fills; "*" for the whole request, "" for none."""
        return self.http[0].body if self.http else ""

    @property
    def max_request_bytes(self) -> int:
        """The size of the largest request."""
        return self.policy.max_request_bytes or DEFAULT_MAX_REQUEST_BYTES

    @property
    def http_body_field(self) -> str:
        """The request's field that the HTTP body fills as it is, without JSON; "" when there is none."""
        field = cast(Descriptor, self.request_type.DESCRIPTOR).fields_by_name.get(self.body)
        kind = field.message_type if field is not None else None
        return self.body if kind is not None and kind.full_name == HTTP_BODY_TYPE else ""

    @property
    def answers_http_body(self) -> bool:
        """Whether the HTTP answer is what the service says it is, and not JSON."""
        return cast(Descriptor, self.response_type.DESCRIPTOR).full_name == HTTP_BODY_TYPE

    @property
    def is_public(self) -> bool:
        """Whether anonymous callers are admitted."""
        return "PUBLIC" in self.callers

    @property
    def api_key_scope(self) -> str:
        """The scope that an API key needs, by its name without prefix; "" for calls that are not for keys."""
        number = self.policy.api_key_scope
        return options_pb2.ApiKeyScope.Name(number).removeprefix(_SCOPE_PREFIX) if number else ""

    @property
    def has_no_side_effects(self) -> bool:
        """Whether a call changes nothing: it may also be sent twice at once."""
        return self.policy.idempotency == options_pb2.IDEMPOTENCY_NO_SIDE_EFFECTS

    @property
    def is_repeatable(self) -> bool:
        """Whether a call may be repeated automatically, because a repeat has no further effect."""
        return self.policy.idempotency in (
            options_pb2.IDEMPOTENCY_NO_SIDE_EFFECTS,
            options_pb2.IDEMPOTENCY_NATURAL,
        )


@dataclass(frozen=True, slots=True)
class ReasonSpec:
    """One row of the table of error reasons; `help` is one sentence for the API user."""

    name: str
    code: grpc.StatusCode
    http_status: int
    is_retryable: bool
    help: str


class Contracts:
    """The declarations of a set of contracts.

    `files` are the descriptors of the contracts; their policies are read with the options that this code
    knows, whichever pool the descriptors are in.
    """

    def __init__(self, files: Iterable[FileDescriptor]) -> None:
        self._files = tuple(files)

    @classmethod
    def from_descriptor_set(cls, descriptor_set: bytes) -> Self:
        """Return the contracts of a serialized FileDescriptorSet with its imports, in a pool of their own.

        Raises ContractError when the bytes are no FileDescriptorSet.
        """
        pool = DescriptorPool()
        try:
            files = FileDescriptorSet.FromString(descriptor_set).file
            for file in files:
                pool.AddSerializedFile(file.SerializeToString())
            return cls(pool.FindFileByName(file.name) for file in files)
        except (DecodeError, KeyError, TypeError) as error:
            raise ContractError(f"this is no set of descriptors with all its imports: {error}") from None

    @cached_property
    def descriptor_set(self) -> bytes:
        """A serialized FileDescriptorSet of all files, each after those that it imports."""
        ordered: dict[str, FileDescriptor] = {}
        for file in self._files:
            _put_after_imports(file, ordered)
        protos = [FileDescriptorProto.FromString(file.serialized_pb) for file in ordered.values()]
        return FileDescriptorSet(file=protos).SerializeToString(deterministic=True)

    @cached_property
    def services(self) -> tuple[ServiceDescriptor, ...]:
        """Every service, by full name."""
        services = [service for file in self._own_files for service in file.services_by_name.values()]
        return tuple(sorted(services, key=lambda service: service.full_name))

    @cached_property
    def rpcs(self) -> tuple[RpcSpec, ...]:
        """Every RPC, service by service. Raises ContractError for one without a policy."""
        return tuple(_rpc_spec_of(method) for service in self.services for method in service.methods)

    @cached_property
    def reasons(self) -> Mapping[str, ReasonSpec]:
        """The table of error reasons by name without prefix."""
        source = reason_pb2.DESCRIPTOR.name
        enums = [file.enum_types_by_name["Reason"] for file in self._own_files if file.name == source]
        rows = [_reason_spec_of(value) for enum in enums for value in enum.values if value.number]
        return MappingProxyType({row.name: row for row in rows})

    @cached_property
    def event_classes(self) -> Mapping[str, type[Message]]:
        """Every event's message class, by event type."""
        messages = [message for file in self._own_files for message in file.message_types_by_name.values()]
        events = [message for message in messages if message.GetOptions().HasExtension(options_pb2.event)]
        classes = [message_factory.GetMessageClass(message) for message in events]
        return MappingProxyType({event_type(kind): kind for kind in classes})

    @cached_property
    def _own_files(self) -> tuple[FileDescriptor, ...]:
        return tuple(file for file in self._files if f"{file.package}.".startswith(_OWN_PACKAGES))


@cache
def imported_contracts() -> Contracts:
    """Return the contracts that this process has imported; the functions below read them."""
    return Contracts(importlib.import_module(name).DESCRIPTOR for name in _module_names())


def list_services() -> tuple[ServiceDescriptor, ...]:
    """Return every service that the contracts declare, by full name."""
    return imported_contracts().services


@cache
def rpcs_of_service(service: ServiceDescriptor) -> tuple[RpcSpec, ...]:
    """Return the RPCs of a service in the contract's order. Raises ContractError for one without a policy."""
    return tuple(_rpc_spec_of(method) for method in service.methods)


@cache
def find_rpc(path: str) -> RpcSpec | None:
    """Return the RPC at a gRPC path; None when the contracts declare none there."""
    return next((rpc for rpc in imported_contracts().rpcs if rpc.path == path), None)


def error_reasons() -> Mapping[str, ReasonSpec]:
    """Return the table of error reasons by name without prefix."""
    return imported_contracts().reasons


def event_type(message: Message | type[Message]) -> str:
    """Return the event type of a message, e.g.

    `user.user.registered`. Raises ContractError if it is no event.
    """
    declared: str = message.DESCRIPTOR.GetOptions().Extensions[options_pb2.event].type
    if not declared:
        raise ContractError(f"{message.DESCRIPTOR.full_name} is not an event: its contract gives it no type")
    return declared


def event_class(type_: str) -> type[Message]:
    """Return the message class of an event type. Raises ContractError for an unknown one."""
    found = event_classes().get(type_)
    if found is None:
        raise ContractError(f"no contract declares an event {type_!r}")
    return found


def event_classes() -> Mapping[str, type[Message]]:
    """Return every event's message class, by event type."""
    return imported_contracts().event_classes


def _module_names() -> list[str]:
    roots = [Path(root) for root in internshipconnect.__path__]
    stubs = [path.relative_to(root.parent) for root in roots for path in root.rglob("*_pb2.py")]
    return sorted({".".join(stub.with_suffix("").parts) for stub in stubs})


def _put_after_imports(file: FileDescriptor, ordered: dict[str, FileDescriptor]) -> None:
    if file.name in ordered:
        return
    for imported_file in file.dependencies:
        _put_after_imports(imported_file, ordered)
    ordered[file.name] = file


def _rpc_spec_of(method: MethodDescriptor) -> RpcSpec:
    options = method.GetOptions()
    if not options.HasExtension(options_pb2.rpc):
        raise ContractError(f"{method.full_name} declares no policy")
    policy = options.Extensions[options_pb2.rpc]
    return RpcSpec(
        full_name=method.full_name,
        service=method.containing_service.full_name,
        name=method.name,
        path=f"/{method.containing_service.full_name}/{method.name}",
        request_type=_class_of(method.input_type),
        response_type=_class_of(method.output_type),
        policy=policy,
        http=_bindings_of(options.Extensions[annotations_pb2.http]),
        callers=frozenset(options_pb2.Caller.Name(one).removeprefix("CALLER_") for one in policy.allow),
        client_streaming=method.client_streaming,
        server_streaming=method.server_streaming,
    )


def _class_of(descriptor: Descriptor) -> type[Message]:
    return message_factory.GetMessageClass(descriptor)


def _bindings_of(rule: http_pb2.HttpRule) -> tuple[HttpBinding, ...]:
    verb = rule.WhichOneof("pattern")
    if verb is None:
        return ()
    if verb == "custom":
        raise ContractError(f"custom HTTP verb {rule.custom.kind} is not supported")
    first = HttpBinding(method=verb.upper(), path=getattr(rule, verb), body=rule.body)
    further = [binding for each in rule.additional_bindings for binding in _bindings_of(each)]
    return (first, *further)


def _reason_spec_of(value: EnumValueDescriptor) -> ReasonSpec:
    policy = value.GetOptions().Extensions[reason_pb2.error]
    code = grpc.StatusCode[code_pb2.Code.Name(policy.code)]
    return ReasonSpec(
        name=value.name.removeprefix("REASON_"),
        code=code,
        http_status=HTTP_STATUS_BY_CODE[code],
        is_retryable=policy.retryable,
        help=policy.help,
    )
