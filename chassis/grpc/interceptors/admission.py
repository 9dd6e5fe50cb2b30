"""Refuses calls beyond what one process can carry, so that the ones inside still end in time."""

import time
from typing import Any

from chassis.contracts import RpcSpec
from chassis.errors import overloaded
from chassis.grpc.handlers import Context, Handler
from chassis.grpc.pressure import LATE_SHARE, Pressure


class Admission:
    """A bound on calls in flight; server streams, which mostly wait, have one of their own that is fixed."""

    def __init__(self, calls: Pressure, most_streams: int) -> None:
        self._calls = calls
        self._streams = Pressure(most_streams)

    def bind(self, rpc: RpcSpec, proceed: Handler) -> Handler:
        bound = self._streams if rpc.server_streaming else self._calls
        late_after_s = rpc.policy.deadline_ms / 1000 * LATE_SHARE

        async def admitted(request: Any, context: Context) -> bytes:
            if bound.is_full():
                raise overloaded("This service")
            bound.in_flight += 1
            began = time.monotonic()
            try:
                return await proceed(request, context)
            finally:
                bound.in_flight -= 1
                bound.ended(was_late=time.monotonic() - began > late_after_s)

        return admitted
