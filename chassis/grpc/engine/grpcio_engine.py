"""The engine on grpcio's asyncio server."""

from collections.abc import Iterable
from typing import Any, Final, cast

import grpc

from chassis.grpc.engine.server_engine import EngineMethod, EnginePolicy, serialize_message
from chassis.security.mutual_tls import MutualTls

_MIN_PING_INTERVAL_MS: Final = 10_000
_MAX_PING_STRIKES: Final = 5


class GrpcioEngine:
    """Serves with grpc.aio.

    It bounds pending calls by itself: between `max_pending_calls / 2` and `max_pending_calls` it cancels some
    of those that come, beyond it all.
    """

    def __init__(self, policy: EnginePolicy) -> None:
        self._server = grpc.aio.server(
            options=grpcio_options(policy), maximum_concurrent_rpcs=policy.max_concurrent_calls
        )

    @property
    def grpcio_server(self) -> grpc.aio.Server:
        return self._server

    def add_methods(self, methods: Iterable[EngineMethod]) -> None:
        for method in methods:
            service, name = method.path[1:].split("/")
            self._server.add_registered_method_handlers(service, {name: _to_grpcio_handler(method)})

    def listen(self, address: str, tls: MutualTls | None = None) -> int:
        try:
            if tls is not None:
                return self._server.add_secure_port(address, tls.server_credentials())
            return self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error

    async def start(self) -> None:
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        await self._server.stop(grace_s)


def grpcio_options(policy: EnginePolicy) -> tuple[tuple[str, int], ...]:
    """Return the options of grpcio's server for `policy`."""
    return (
        ("grpc.max_receive_message_length", policy.max_message_bytes),
        # Between the two bounds gRPC refuses some calls at random, as overload; the gateway's bound is far
        # below.
        ("grpc.max_metadata_size", policy.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", 2 * policy.max_metadata_bytes),
        ("grpc.server.max_pending_requests", policy.max_pending_calls // 2),
        ("grpc.server.max_pending_requests_hard_limit", policy.max_pending_calls),
        ("grpc.max_concurrent_streams", policy.max_calls_per_connection),
        # A port that is taken is an error; otherwise two processes would share it unnoticed.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", policy.keepalive_time_ms),
        ("grpc.keepalive_timeout_ms", policy.keepalive_timeout_ms),
        ("grpc.http2.min_ping_interval_without_data_ms", _MIN_PING_INTERVAL_MS),
        ("grpc.http2.max_ping_strikes", _MAX_PING_STRIKES),
        # Connections are closed now and then, so that new replicas get their share of the clients.
        ("grpc.max_connection_age_ms", policy.max_connection_age_ms),
        ("grpc.max_connection_age_grace_ms", policy.max_connection_age_grace_ms),
    )


def _to_grpcio_handler(method: EngineMethod) -> "grpc.RpcMethodHandler[Any, Any]":
    handler = cast(Any, method.handler)
    if method.is_streaming:
        return grpc.unary_stream_rpc_method_handler(handler, response_serializer=serialize_message)
    return grpc.unary_unary_rpc_method_handler(handler, response_serializer=serialize_message)
