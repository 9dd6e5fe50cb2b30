"""The gRPC server: at start each RPC of a servicer is compiled into one coroutine with all interceptors."""

import importlib
import inspect
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from chassis.call_context import CallContext, bind_call
from chassis.contracts import DEFAULT_MAX_REQUEST_BYTES, ContractError, RpcSpec, rpcs_of_service
from chassis.errors import DomainError, overloaded
from chassis.grpc.engine.engines import DEFAULT_ENGINE, EngineName, build_engine
from chassis.grpc.engine.health import HEALTH_SERVICE_NAME, health_methods
from chassis.grpc.engine.server_engine import (
    EngineMethod,
    EnginePolicy,
    ServerEngine,
    StatusAnswer,
    serialize_message,
)
from chassis.grpc.error_status import STATUS_DETAILS_METADATA_KEY, error_to_status, status_code_of
from chassis.grpc.handlers import Interceptor, ReceivedMetadata, RpcContext, RpcHandler
from chassis.grpc.interceptor_chain import compile_handler
from chassis.grpc.interceptors.authentication import AUTHORIZATION_METADATA_KEY
from chassis.observability import metrics
from chassis.security.mutual_tls import MutualTls

M = TypeVar("M", bound=Message)

MAX_CALLS_PER_CONNECTION = 500
MAX_METADATA_BYTES = 48 * 1024
_MAX_REQUEST_ID_CHARS = 128
_STALE_HEADER = ("x-stale", "true")
FRESH_FOR_METADATA_KEY = "x-fresh-for"
"""The seconds for which an answer holds before the clock changes it; the edge caches it no longer."""
MAX_SHARED_CACHE_S = 3600
"""Longer than any contract lets shared caches keep an answer."""


def cast_serialized(kind: type[M], raw: bytes) -> M:
    """Return a serialized answer, e.g. from a cache, in the message type that its RPC declares.

    The server passes the bytes to gRPC unchanged; the result must not be read as a message.
    """
    return cast(M, raw)


class GrpcServer:
    """A server with health and reflection, made by `build_grpc_server`."""

    def __init__(self, engine: ServerEngine, health: health_aio.HealthServicer, names: Sequence[str]) -> None:
        self._engine = engine
        self._health = health
        self._names = names

    def listen(self, address: str, tls: MutualTls | None = None) -> int:
        """Open `host:port` (port 0: any free one) and return the port; with `tls` for its clients only.

        Raises OSError when it is taken, ValueError if the engine has no TLS.
        """
        return self._engine.listen(address, tls)

    async def start(self) -> None:
        """Start answering calls; the health service reports SERVING."""
        await self._engine.start()
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
        await self._engine.stop(grace_s)


def build_grpc_server(
    servicers: Iterable[object],
    chain: Sequence[Interceptor],
    engine_name: EngineName = DEFAULT_ENGINE,
    other_methods: Iterable[EngineMethod] = (),
) -> GrpcServer:
    """Return a server that answers the RPCs of `servicers` through `chain`, and `other_methods` without it.

    Raises ContractError when a servicer leaves an RPC unanswered or a contract is incomplete.
    """
    served = [(servicer, descriptor_of_servicer(servicer)) for servicer in servicers]
    rpcs = [rpc for _, descriptor in served for rpc in rpcs_of_service(descriptor)]
    engine = build_engine(engine_name, _engine_policy(rpcs))
    names = []
    for servicer, descriptor in served:
        engine.add_methods(_engine_method(rpc, servicer, chain) for rpc in rpcs_of_service(descriptor))
        names.append(descriptor.full_name)
    engine.add_methods(other_methods)
    health = health_aio.HealthServicer()
    engine.add_methods(health_methods(health))
    reflection.enable_server_reflection(
        (*names, HEALTH_SERVICE_NAME, reflection.SERVICE_NAME), engine.grpcio_server
    )
    engine.grpcio_server.add_generic_rpc_handlers((_UnknownMethods(),))
    return GrpcServer(engine, health, tuple(names))


def _engine_policy(rpcs: Iterable[RpcSpec]) -> EnginePolicy:
    max_request_bytes = max((rpc.max_request_bytes for rpc in rpcs), default=DEFAULT_MAX_REQUEST_BYTES)
    return EnginePolicy(
        # Beyond this bound the engine refuses, without details; the validation refuses earlier, with them.
        max_message_bytes=max(4 * DEFAULT_MAX_REQUEST_BYTES, 2 * max_request_bytes),
        max_metadata_bytes=MAX_METADATA_BYTES,
        refuse_pending_call=_refuse_pending_call,
        max_calls_per_connection=MAX_CALLS_PER_CONNECTION,
    )


def _refuse_pending_call() -> StatusAnswer:
    metrics.grpc_server_shed.labels("pending").inc()
    return _to_status_answer(overloaded("This service"), _new_request_id())


def _to_status_answer(error: DomainError, request_id: str) -> StatusAnswer:
    status = error_to_status(error, request_id)
    details = ((STATUS_DETAILS_METADATA_KEY, status.SerializeToString()),)
    return StatusAnswer(status_code_of(error), status.message, details)


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


def _engine_method(rpc: RpcSpec, servicer: object, chain: Sequence[Interceptor]) -> EngineMethod:
    """Return an RPC with its whole chain, which takes and returns bytes, and parses itself."""
    call = _streaming_call(rpc, servicer) if rpc.server_streaming else _unary_call(rpc, servicer)
    handler = _with_call_context(compile_handler(chain, rpc, call))
    return EngineMethod(rpc.path, rpc.server_streaming, handler)


def _with_call_context(handler: RpcHandler) -> RpcHandler:
    async def enter(request: bytes, context: RpcContext) -> bytes:
        metadata = _metadata_of(context.invocation_metadata() or ())
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


def _metadata_of(pairs: ReceivedMetadata) -> dict[str, str | bytes]:
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
        return serialize_message(reply)

    return call


def _streaming_call(rpc: RpcSpec, servicer: object) -> RpcHandler:
    method = _implementation(rpc, servicer)
    if not inspect.isasyncgenfunction(method):
        raise ContractError(f"{rpc.full_name} streams: its method has to be an async generator")

    async def call(request: Any, context: RpcContext) -> bytes:
        async with aclosing(method(request, context)) as replies:
            async for reply in replies:
                await context.write(serialize_message(reply))
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
            answer = _to_status_answer(error, _new_request_id())
            await context.abort(answer.code, answer.message, answer.trailing_metadata)

        return grpc.stream_stream_rpc_method_handler(cast(Any, refuse))
