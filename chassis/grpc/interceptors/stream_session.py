"""Ends a server stream when its session has ended or its caller's token has expired.

Unary calls are too short to need this. Health checks are no RPCs of the contracts.
"""

import asyncio
import random
import time
from typing import Any, Final, Protocol

from chassis.call_context import Principal, current_call
from chassis.clock import MAX_CLOCK_SKEW
from chassis.contracts import RpcSpec
from chassis.errors import DomainError
from chassis.grpc.handlers import RpcContext, RpcHandler

POLL_INTERVAL_S: Final = 2.0


class UncachedRevocationCheck(Protocol):
    """Knows the ended sessions."""

    async def raise_if_revoked_now(self, session_id: str) -> None:
        """Raise DomainError SESSION_REVOKED when the session has ended; read without a cache, for streams."""
        ...


class StreamSessionInterceptor:
    """Checks every two seconds while a stream is open."""

    def __init__(
        self, revocations: UncachedRevocationCheck, poll_interval_s: float = POLL_INTERVAL_S
    ) -> None:
        self._revocations = revocations
        self._poll_interval_s = poll_interval_s

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        if not rpc.server_streaming:
            return proceed

        async def watched(request: Any, context: RpcContext) -> bytes:
            principal = current_call().principal
            if principal is None:
                return await proceed(request, context)
            stream = _AnsweredStream()
            guard = asyncio.create_task(self._end_when_invalid(stream, principal))
            try:
                return await proceed(request, context)
            except asyncio.CancelledError:
                if stream.error is not None and stream.task.uncancel() == 0:
                    raise stream.error from None
                raise
            finally:
                guard.cancel()

        return watched

    async def _end_when_invalid(self, stream: "_AnsweredStream", principal: Principal) -> None:
        try:
            while True:
                await asyncio.sleep(self._pause_s(principal))
                _raise_if_expired(principal)
                if principal.session_id:
                    await self._revocations.raise_if_revoked_now(principal.session_id)
        except DomainError as error:
            stream.end(error)

    def _pause_s(self, principal: Principal) -> float:
        pause_s = self._poll_interval_s * random.uniform(0.8, 1.2)  # noqa: S311
        if not principal.expires_at:
            return pause_s
        return max(0.0, min(pause_s, _valid_until(principal) - time.time()))


class _AnsweredStream:
    """The task that answers a stream, and the error to end the stream with."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is answered in a task")
        self.task: asyncio.Task[Any] = task
        self.error: DomainError | None = None

    def end(self, error: DomainError) -> None:
        self.error = error
        self.task.cancel()


def _valid_until(principal: Principal) -> float:
    return principal.expires_at + MAX_CLOCK_SKEW.total_seconds()


def _raise_if_expired(principal: Principal) -> None:
    if principal.expires_at and time.time() >= _valid_until(principal):
        raise DomainError("TOKEN_EXPIRED", "The access token has expired while the stream was open.")
