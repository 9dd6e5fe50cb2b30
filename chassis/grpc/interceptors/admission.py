"""Refuses calls beyond what one process can carry, so that the ones inside still end in time."""

from typing import Any

from chassis.contracts import RpcSpec
from chassis.errors import overloaded
from chassis.grpc.handlers import Context, Handler
from chassis.grpc.pressure import Pressure


class Admission:
    """A bound on calls in flight; server streams, which mostly wait, have one of their own that is fixed."""

    def __init__(self, calls: Pressure, most_streams: int) -> None:
        self._calls = calls
        self._streams = Pressure(most_streams)

    def bind(self, rpc: RpcSpec, proceed: Handler) -> Handler:
        bound = self._streams if rpc.server_streaming else self._calls

        async def admitted(request: Any, context: Context) -> bytes:
            if bound.is_full():
                raise overloaded("This service")
            bound.in_flight += 1
            try:
                return await proceed(request, context)
            finally:
                bound.in_flight -= 1

        return admitted
