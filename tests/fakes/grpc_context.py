"""The server's side of one call, as handlers see it, without a network."""

from typing import NoReturn, cast

import grpc
from google.rpc.status_pb2 import Status

from chassis.grpc.error_status import STATUS_DETAILS_METADATA_KEY
from chassis.grpc.handlers import RpcContext


class FakeGrpcContext:
    """Remembers the answer of the call."""

    def __init__(self, *, time_remaining_s: float | None = None) -> None:
        self.code: grpc.StatusCode | None = None
        self.status = Status()
        self.written: list[bytes] = []
        self._time_remaining_s = time_remaining_s

    def time_remaining(self) -> float | None:
        return self._time_remaining_s

    async def write(self, message: bytes) -> None:
        self.written.append(message)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: tuple[tuple[str, bytes], ...] = ()
    ) -> NoReturn:
        self.code = code
        self.status = Status.FromString(dict(trailing_metadata)[STATUS_DETAILS_METADATA_KEY])
        raise grpc.aio.AbortError(details)

    def as_context(self) -> RpcContext:
        return cast(RpcContext, self)
