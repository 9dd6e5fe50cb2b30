"""One call through one interceptor: what the interceptors' tests stand on."""

from typing import Any

from chassis.call_context import CallContext, bind_call
from chassis.contracts import RpcSpec, find_rpc
from chassis.grpc.handlers import Interceptor, RpcContext, RpcHandler
from tests.fakes.grpc_context import FakeGrpcContext


def rpc(service: str, method: str) -> RpcSpec:
    """Return an RPC of our contracts, e.g. `rpc("auth", "Login")`."""
    found = find_rpc(f"/internshipconnect.{service}.v1.{service.capitalize()}Service/{method}")
    assert found is not None
    return found


def respond_with(answer: bytes = b"answer") -> RpcHandler:
    """Return a handler that gives the same answer to everything."""

    async def handler(_request: Any, _context: RpcContext) -> bytes:
        return answer

    return handler


def fail_with(error: BaseException) -> RpcHandler:
    """Return a handler that always fails."""

    async def handler(_request: Any, _context: RpcContext) -> bytes:
        raise error

    return handler


async def send_call(
    interceptor: Interceptor,
    spec: RpcSpec,
    proceed: RpcHandler,
    *,
    call: CallContext | None = None,
    request: Any = b"",
    context: FakeGrpcContext | None = None,
) -> bytes:
    """Answer one request as the server does, with `interceptor` as the only link of the chain."""
    bind_call(call or CallContext())
    handler = interceptor.bind(spec, proceed)
    return await handler(request, (context or FakeGrpcContext()).as_context())
