"""The gRPC server: at start each RPC of a servicer is compiled into one coroutine with all interceptors."""

import importlib
import inspect
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from chassis.call_context import CallContext, bind_call
from chassis.contracts import ContractError, RpcSpec, rpcs_of_service
from chassis.errors import DomainError
from chassis.grpc.error_status import STATUS_DETAILS_METADATA_KEY, error_to_status, status_code_of
from chassis.grpc.handlers import MAX_REQUEST_BYTES, Interceptor, RpcContext, RpcHandler
from chassis.grpc.interceptor_chain import compile_handler
from chassis.grpc.interceptors.authentication import AUTHORIZATION_METADATA_KEY

M = TypeVar("M", bound=Message)

_HEALTH_SERVICE_NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
MAX_CALLS_PER_CONNECTION = 500
MAX_METADATA_BYTES = 48 * 1024
_MAX_REQUEST_ID_CHARS = 128
_STALE_HEADER = ("x-stale", "true")
FRESH_FOR_METADATA_KEY = "x-fresh-for"
"""The seconds for which an answer holds before the clock changes it; the edge caches it no longer."""
MAX_SHARED_CACHE_S = 3600
"""Longer than any contract lets shared caches keep an answer."""

_OPTIONS = (
    # Beyond this bound gRPC itself refuses, without details; the validation refuses far earlier, with them.
    ("grpc.max_receive_message_length", 4 * MAX_REQUEST_BYTES),
    # Between the two bounds gRPC refuses some calls at random, as overload; the gateway's bound is far below.
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", 2 * MAX_METADATA_BYTES),
    # Calls that wait inside gRPC: between the two bounds gRPC cancels some of those that come, beyond the
    # second one all. Without the bounds a flood waits for seconds before it can be refused.
    ("grpc.server.max_pending_requests", 250),
    ("grpc.server.max_pending_requests_hard_limit", 500),
    # Of one connection: calls that have begun and send no message wait inside gRPC, where no other bound
    # counts them; a peer has half as many in flight, and Envoy opens one more connection.
    ("grpc.max_concurrent_streams", MAX_CALLS_PER_CONNECTION),
    # A port that is taken is an error; otherwise two processes would share it unnoticed.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 5),
    # Connections are closed now and then, so that new replicas get their share of the clients.
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
)


def cast_serialized(kind: type[M], raw: bytes) -> M:
    """Return a serialized answer, e.g. from a cache, in the message type that its RPC declares.

    The server passes the bytes to gRPC unchanged; the result must not be read as a message.
    """
    return cast(M, raw)


class GrpcServer:
    """A server with health and reflection, made by `build_grpc_server`."""

    def __init__(
        self, server: grpc.aio.Server, health: health_aio.HealthServicer, names: Sequence[str]
    ) -> None:
        self._server = server
        self._health = health
        self._names = names

    def listen(self, address: str) -> int:
        """Open `host:port` (port 0: any free one) and return the port. Raises OSError when it is taken."""
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error

    async def start(self) -> None:
        """Start answering calls; the health service reports SERVING."""
        await self._server.start()
        await self.set_serving(True)

    async def set_serving(self, ready: bool) -> None:
        """Report to the health service's clients whether to send calls here."""
        status = (
            health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        for name in ("", *self._names):
            await self._health.set(name, status)

    async def stop(self, grace_s: float) -> None:
        """Report NOT_SERVING, refuse new calls and give those in flight `grace_s` seconds to finish."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)


def build_grpc_server(servicers: Iterable[object], chain: Sequence[Interceptor]) -> GrpcServer:
    """Return a server that answers the RPCs of `servicers` through `chain`.

    Raises ContractError when a servicer leaves an RPC unanswered or a contract is incomplete.
    """
    server = grpc.aio.server(options=_OPTIONS)
    handlers = {
        descriptor_of_servicer(servicer).full_name: _method_handlers_of(servicer, chain)
        for servicer in servicers
    }
    for name, methods in handlers.items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((*handlers, _HEALTH_SERVICE_NAME, reflection.SERVICE_NAME), server)
    server.add_generic_rpc_handlers((_UnknownMethods(),))
    return GrpcServer(server, health, tuple(handlers))


def descriptor_of_servicer(servicer: object) -> ServiceDescriptor:
    """Return a servicer's contract, found by its generated base class. Raises ContractError without one."""
    base = _generated_base(type(servicer))
    contract = importlib.import_module(base.__module__.removesuffix("_grpc"))
    descriptor: ServiceDescriptor = contract.DESCRIPTOR.services_by_name[
        base.__name__.removesuffix("Servicer")
    ]
    return descriptor


def _generated_base(kind: type) -> type:
    for base in kind.__mro__:
        if base.__module__.endswith("_pb2_grpc") and base.__name__.endswith("Servicer"):
            return base
    raise ContractError(f"{kind.__qualname__} is not a subclass of a generated servicer")


def _method_handlers_of(
    servicer: object, chain: Sequence[Interceptor]
) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
    return {
        rpc.name: _method_handler(rpc, servicer, chain)
        for rpc in rpcs_of_service(descriptor_of_servicer(servicer))
    }


def _method_handler(
    rpc: RpcSpec, servicer: object, chain: Sequence[Interceptor]
) -> "grpc.RpcMethodHandler[Any, Any]":
    """Return gRPC's handler, without serializers: the chain takes and returns bytes, and parses itself."""
    if rpc.server_streaming:
        handler = compile_handler(chain, rpc, _streaming_call(rpc, servicer))
        return grpc.unary_stream_rpc_method_handler(cast(Any, _with_call_context(handler)))
    handler = compile_handler(chain, rpc, _unary_call(rpc, servicer))
    return grpc.unary_unary_rpc_method_handler(cast(Any, _with_call_context(handler)))


def _with_call_context(handler: RpcHandler) -> RpcHandler:
    async def enter(request: bytes, context: RpcContext) -> bytes:
        metadata = _metadata_of(tuple(context.invocation_metadata() or ()))
        call = CallContext(_request_id_or_new(metadata.get("x-request-id")), metadata=metadata)
        bind_call(call)
        answer = await handler(request, context)
        if call.is_stale:
            call.headers.append(_STALE_HEADER)
        elif call.max_age_s is not None and call.max_age_s < MAX_SHARED_CACHE_S:
            call.headers.append((FRESH_FOR_METADATA_KEY, str(int(call.max_age_s))))
        if call.headers:
            await context.send_initial_metadata(tuple(call.headers))
        return answer

    return enter


def _metadata_of(pairs: Collection[tuple[str, str | bytes]]) -> dict[str, str | bytes]:
    """Return the metadata by key.

    The last value counts; but several `authorization` values become one invalid one.
    """
    metadata = dict(pairs)
    if len(metadata) < len(pairs):
        proofs = [str(value) for key, value in pairs if key == AUTHORIZATION_METADATA_KEY]
        if len(proofs) > 1:
            metadata[AUTHORIZATION_METADATA_KEY] = ", ".join(proofs)
    return metadata


def _request_id_or_new(given: str | bytes | None) -> str:
    if isinstance(given, str) and 0 < len(given) <= _MAX_REQUEST_ID_CHARS:
        return given
    return _new_request_id()


def _new_request_id() -> str:
    """Return an ID of a call for logs; it needs no secrecy, so it costs no system call."""
    return f"{random.getrandbits(128):032x}"


def _unary_call(rpc: RpcSpec, servicer: object) -> RpcHandler:
    method = _implementation(rpc, servicer)

    async def call(request: Any, context: RpcContext) -> bytes:
        reply = await method(request, context)
        return reply if type(reply) is bytes else reply.SerializeToString()

    return call


def _streaming_call(rpc: RpcSpec, servicer: object) -> RpcHandler:
    method = _implementation(rpc, servicer)
    if not inspect.isasyncgenfunction(method):
        raise ContractError(f"{rpc.full_name} streams: its method has to be an async generator")

    async def call(request: Any, context: RpcContext) -> bytes:
        async with aclosing(method(request, context)) as replies:
            async for reply in replies:
                await context.write(reply if type(reply) is bytes else reply.SerializeToString())
        return b""

    return call


def _implementation(rpc: RpcSpec, servicer: object) -> Callable[[Any, RpcContext], Any]:
    if rpc.client_streaming:
        raise ContractError(f"{rpc.full_name} streams requests, which this server does not do")
    if getattr(type(servicer), rpc.name) is getattr(_generated_base(type(servicer)), rpc.name):
        raise ContractError(f"{type(servicer).__qualname__} does not answer {rpc.full_name}")
    implementation: Callable[[Any, RpcContext], Any] = getattr(servicer, rpc.name)
    return implementation


class _UnknownMethods(grpc.GenericRpcHandler):
    """Answers unknown methods with a readable reason; it is the last handler."""

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        async def refuse(_requests: Any, context: RpcContext) -> None:
            error = DomainError(
                "UNKNOWN_METHOD",
                "There is no such call here; ask the reflection service for those that there are.",
            )
            status = error_to_status(error, _new_request_id())
            await context.abort(
                status_code_of(error),
                status.message,
                trailing_metadata=((STATUS_DETAILS_METADATA_KEY, status.SerializeToString()),),
            )

        return grpc.stream_stream_rpc_method_handler(cast(Any, refuse))
