"""One call through one interceptor: what the interceptors' tests stand on."""

from typing import Any

from chassis.caller import Call, begin
from chassis.contracts import RpcSpec, rpc_at
from chassis.grpc.handlers import Context, Handler, Interceptor
from tests.fakes.grpc_context import FakeContext


def rpc(service: str, method: str) -> RpcSpec:
    """A call of our contracts, e.g. `rpc("auth", "Login")`."""
    found = rpc_at(f"/internshipconnect.{service}.v1.{service.capitalize()}Service/{method}")
    assert found is not None
    return found


def answering(answer: bytes = b"answer") -> Handler:
    """A handler that gives the same answer to everything."""

    async def handler(_request: Any, _context: Context) -> bytes:
        return answer

    return handler


def raising(error: BaseException) -> Handler:
    """A handler that always fails."""

    async def handler(_request: Any, _context: Context) -> bytes:
        raise error

    return handler


async def send(
    interceptor: Interceptor,
    spec: RpcSpec,
    proceed: Handler,
    *,
    call: Call | None = None,
    request: Any = b"",
    context: FakeContext | None = None,
) -> bytes:
    """Answers one request as the server does, with `interceptor` as the only link of the chain."""
    begin(call or Call())
    handler = interceptor.bind(spec, proceed)
    return await handler(request, (context or FakeContext()).as_context())
