"""What the contracts declare, read once from the descriptors: calls, error reasons, events.

Everything that follows from a contract (interceptors, routes, limits, documentation) is derived from what
is read here; nobody writes a policy twice.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import grpc
from google.api import annotations_pb2, http_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.rpc import code_pb2

import internshipconnect
from internshipconnect.errors.v1 import reason_pb2
from internshipconnect.options.v1 import options_pb2

ERROR_DOMAIN = "internshipconnect"

# How an HTTP caller sees each status, after google/rpc/code.proto; Envoy's transcoder does the same.
HTTP_STATUS: Mapping[grpc.StatusCode, int] = MappingProxyType(
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
    """One HTTP way to a call: `GET`, `/api/v1/things/{thing_id}`, and which field the body fills.

    `body` is "*" for the whole request, "" for none.
    """

    method: str
    path: str
    body: str


@dataclass(frozen=True)
class RpcSpec:
    """One call as its contract declares it.

    `full_name` is `<package>.<Service>.<Method>`, `path` is gRPC's `/<package>.<Service>/<Method>`,
    `callers` are the admitted ones by name without prefix, e.g. `PUBLIC`, `COMPANY_OWNER`. The canonical
    HTTP binding comes first.
    """

    full_name: str
    service: str
    name: str
    path: str
    request: type[Message]
    response: type[Message]
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
    def is_public(self) -> bool:
        """Whether somebody who is not signed in may call."""
        return "PUBLIC" in self.callers

    @property
    def is_repeatable(self) -> bool:
        """Whether a call may be sent again without asking, because a repeat has no further effect."""
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
    retryable: bool
    help: str


@cache
def all_services() -> tuple[ServiceDescriptor, ...]:
    """Every service that the contracts declare, by full name."""
    services = [service for file in _files() for service in file.services_by_name.values()]
    return tuple(sorted(services, key=lambda service: service.full_name))


@cache
def rpcs_of(service: ServiceDescriptor) -> tuple[RpcSpec, ...]:
    """The calls of a service in the contract's order. Raises ContractError for one without a policy."""
    return tuple(_spec_of(method) for method in service.methods)


@cache
def rpc_at(path: str) -> RpcSpec | None:
    """The call at a gRPC path; None when the contracts declare none there."""
    found = (rpc for service in all_services() for rpc in rpcs_of(service) if rpc.path == path)
    return next(found, None)


@cache
def reasons() -> Mapping[str, ReasonSpec]:
    """The table of error reasons by name without prefix."""
    rows = [_reason_of(number) for number in reason_pb2.Reason.values() if number]
    return MappingProxyType({row.name: row for row in rows})


def event_type(message: Message | type[Message]) -> str:
    """The name under which an event travels. Raises ContractError for a message that is no event."""
    declared: str = message.DESCRIPTOR.GetOptions().Extensions[options_pb2.event].type
    if not declared:
        raise ContractError(f"{message.DESCRIPTOR.full_name} is not an event: its contract gives it no type")
    return declared


def event_class(type_: str) -> type[Message]:
    """The message class of an event's name. Raises ContractError for an unknown name."""
    found = event_classes().get(type_)
    if found is None:
        raise ContractError(f"no contract declares an event {type_!r}")
    return found


@cache
def event_classes() -> Mapping[str, type[Message]]:
    """Every event that the contracts declare, by the name under which it travels."""
    messages = [message for file in _files() for message in file.message_types_by_name.values()]
    events = [message for message in messages if message.GetOptions().HasExtension(options_pb2.event)]
    classes = [message_factory.GetMessageClass(message) for message in events]
    return MappingProxyType({event_type(kind): kind for kind in classes})


@cache
def _files() -> tuple[FileDescriptor, ...]:
    return tuple(importlib.import_module(name).DESCRIPTOR for name in _module_names())


def _module_names() -> list[str]:
    roots = [Path(root) for root in internshipconnect.__path__]
    stubs = [path.relative_to(root.parent) for root in roots for path in root.rglob("*_pb2.py")]
    return sorted({".".join(stub.with_suffix("").parts) for stub in stubs})


def _spec_of(method: MethodDescriptor) -> RpcSpec:
    options = method.GetOptions()
    if not options.HasExtension(options_pb2.rpc):
        raise ContractError(f"{method.full_name} declares no policy")
    policy = options.Extensions[options_pb2.rpc]
    return RpcSpec(
        full_name=method.full_name,
        service=method.containing_service.full_name,
        name=method.name,
        path=f"/{method.containing_service.full_name}/{method.name}",
        request=_class_of(method.input_type),
        response=_class_of(method.output_type),
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


def _reason_of(number: int) -> ReasonSpec:
    value = reason_pb2.Reason.DESCRIPTOR.values_by_number[number]
    policy = value.GetOptions().Extensions[reason_pb2.error]
    code = grpc.StatusCode[code_pb2.Code.Name(policy.code)]
    return ReasonSpec(
        name=value.name.removeprefix("REASON_"),
        code=code,
        http_status=HTTP_STATUS[code],
        retryable=policy.retryable,
        help=policy.help,
    )
