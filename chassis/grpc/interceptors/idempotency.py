"""Runs a mutation once for each idempotency key and gives its answer again to whoever repeats it."""

import hashlib
from typing import Any

from google.protobuf.message import Message

from chassis.caller import Operation, current_call
from chassis.contracts import RpcSpec, reasons
from chassis.errors import DomainError, Violation, invalid
from chassis.grpc.handlers import Context, Handler
from chassis.idempotency import Claim, Claims
from chassis.observability.logging import get_logger
from internshipconnect.options.v1 import options_pb2

_KEY = "idempotency-key"
_LONGEST_KEY = 128


class Idempotency:
    """Acts on RPCs whose contract takes a key, when the caller sent one.

    Only success is kept. A refusal forgets the key; a failure after which the outcome is not known keeps
    the operation, so that repeating it cannot do the work twice.
    """

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    def bind(self, rpc: RpcSpec, proceed: Handler) -> Handler:
        if rpc.policy.idempotency != options_pb2.IDEMPOTENCY_KEY:
            return proceed
        lease_s = rpc.policy.deadline_ms / 1000

        async def once(request: Any, context: Context) -> bytes:
            call = current_call()
            if call.principal is None or _KEY not in call.metadata:
                return await proceed(request, context)
            claim = Claim(call.principal.id, rpc.full_name, _checked(call.text(_KEY)), _digest(request))
            begun = await self._claims.begin(claim, lease_s)
            if isinstance(begun, bytes):
                return begun
            return await self._run(claim, begun, proceed, request, context)

        return once

    async def _run(
        self, claim: Claim, operation: Operation, proceed: Handler, request: Message, context: Context
    ) -> bytes:
        current_call().operation = operation
        try:
            answer = await proceed(request, context)
        except Exception as error:
            await self._settle(claim, error)
            raise
        try:
            await self._claims.complete(claim, answer)
        except DomainError as error:
            _cannot_settle(claim, error)
        return answer

    async def _settle(self, claim: Claim, error: Exception) -> None:
        """A claim that cannot be settled now is settled by the end of its lease."""
        try:
            if _was_refused(error):
                await self._claims.release(claim)
            else:
                await self._claims.expire(claim)
        except DomainError as unsettled:
            _cannot_settle(claim, unsettled)


def _was_refused(error: Exception) -> bool:
    if not isinstance(error, DomainError) or error.reason == "INTERNAL":
        return False
    return not reasons()[error.reason].retryable


def _cannot_settle(claim: Claim, error: DomainError) -> None:
    get_logger().warning("idempotency claim left to its lease", rpc=claim.rpc, reason=error.reason)


def _checked(key: str) -> str:
    if 0 < len(key) <= _LONGEST_KEY and all("!" <= char <= "~" for char in key):
        return key
    raise invalid(Violation(_KEY, f"has to be 1 to {_LONGEST_KEY} visible ASCII characters"))


def _digest(request: Message) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
