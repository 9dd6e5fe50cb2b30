"""Refuses calls beyond what one process can carry, so that the ones inside still end in time."""

from typing import Any

from chassis.contracts import RpcSpec
from chassis.errors import overloaded
from chassis.grpc.handlers import Context, Handler


class Admission:
    """A bound on calls in flight; server streams, which mostly wait, are bounded apart."""

    def __init__(self, most: int) -> None:
        self._calls = _Bulkhead(most)
        self._streams = _Bulkhead(most)

    def bind(self, rpc: RpcSpec, proceed: Handler) -> Handler:
        bulkhead = self._streams if rpc.server_streaming else self._calls

        async def admitted(request: Any, context: Context) -> bytes:
            if bulkhead.free <= 0:
                raise overloaded("This service")
            bulkhead.free -= 1
            try:
                return await proceed(request, context)
            finally:
                bulkhead.free += 1

        return admitted


class _Bulkhead:
    __slots__ = ("free",)

    def __init__(self, most: int) -> None:
        self.free = most
