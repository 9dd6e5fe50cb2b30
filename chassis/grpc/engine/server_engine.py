"""The port for HTTP/2 and gRPC framing: engines receive calls as bytes and send what handlers return."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import grpc

from chassis.grpc.handlers import Metadata, RpcHandler
from chassis.security.mutual_tls import MutualTls


@dataclass(frozen=True, slots=True)
class EngineMethod:
    """One RPC without request streaming; `path` is `/package.Service/Method`.

    The handler takes the serialized request and returns the serialized answer. When `is_streaming`, it writes
    its answers to the context and returns b"".
    """

    path: str
    is_streaming: bool
    handler: RpcHandler


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """A status that ends a call, with the metadata that follows it."""

    code: grpc.StatusCode
    message: str
    trailing_metadata: Metadata = ()


@dataclass(frozen=True, slots=True)
class EnginePolicy:
    """What an engine refuses before a handler sees it, and how it watches connections.

    - A larger message is answered RESOURCE_EXHAUSTED; a call with more metadata as well.
    - `max_pending_calls` bounds the calls that have arrived and whose handlers have not begun: a process that
      has no time refuses the rest at once. `refuse_pending_call` returns the answer to those.
    - `max_concurrent_calls` bounds the calls in progress, streams included; None: nothing does.
    - Calls that have begun and send no message count in their connection's `max_calls_per_connection` only.
    - A connection whose peer does not answer a ping, sent after `keepalive_time_ms`, within
      `keepalive_timeout_ms` is closed.
    """

    max_message_bytes: int
    max_metadata_bytes: int
    refuse_pending_call: Callable[[], StatusAnswer]
    max_pending_calls: int = 500
    max_concurrent_calls: int | None = None
    max_calls_per_connection: int = 500
    keepalive_time_ms: int = 60_000
    keepalive_timeout_ms: int = 20_000
    max_connection_age_ms: int = 30 * 60_000
    max_connection_age_grace_ms: int = 60_000


class ServerEngine(Protocol):
    """A gRPC server without services of its own.

    Add all methods, then `listen`, then `start`.
    """

    def add_methods(self, methods: Iterable[EngineMethod]) -> None:
        """Serve these methods."""
        ...

    @property
    def grpcio_server(self) -> grpc.aio.Server:
        """The server for what only grpcio answers: request streams, reflection and unknown methods."""
        ...

    def listen(self, address: str, tls: MutualTls | None = None) -> int:
        """Open `host:port` (port 0: any free one) and return the port; with `tls` for its clients only.

        Raises OSError when it is taken, ValueError if the engine has no TLS.
        """
        ...

    async def start(self) -> None:
        """Start answering calls."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Give calls in flight `grace_s` seconds to finish, then cancel them and close all connections."""
        ...


def serialize_message(message: object) -> bytes:
    """Return the bytes of a protobuf message; bytes are returned unchanged."""
    return message if type(message) is bytes else bytes(message.SerializeToString())  # type: ignore[attr-defined]
