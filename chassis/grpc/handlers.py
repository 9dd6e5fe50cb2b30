"""The types of the interceptor chain: handlers, and the interceptors that wrap them."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Protocol

import grpc

from chassis.contracts import RpcSpec

Metadata = Sequence[tuple[str, str | bytes]]
"""Pairs of lower-case keys and values; values of keys that end in `-bin` are bytes."""
ReceivedMetadata = Collection[tuple[str, str | bytes]]
"""The same, as engines give it."""

RpcContext = grpc.aio.ServicerContext[Any, Any]

RpcHandler = Callable[[Any, RpcContext], Awaitable[bytes]]
"""Answers one call.

The request is raw bytes before the validation, the parsed message after it; the answer is the serialized
message. A server stream writes to the context and returns b"".
"""


class Interceptor(Protocol):
    """One concern of every call, bound to each RPC's handler once, at start."""

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        """Return a handler that adds this concern to `proceed`.

        Return `proceed` itself when the contract of `rpc` does not involve this concern.
        """
        ...
