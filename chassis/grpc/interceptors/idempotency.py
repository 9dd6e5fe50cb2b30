"""Runs a mutation once for each idempotency key and repeats its answer to a caller that sends it again."""

import hashlib
import secrets
from typing import Any

from google.protobuf.message import Message

from chassis.call_context import current_call
from chassis.clock import Clock, SystemClock
from chassis.contracts import RpcSpec, error_reasons
from chassis.errors import DomainError, Violation, invalid_argument
from chassis.grpc.handlers import RpcContext, RpcHandler
from chassis.idempotency import IdempotencyClaim, IdempotentOperation
from chassis.observability.logging import get_logger
from chassis.sharding.idempotency_store import IdempotencyStore
from internshipconnect.options.v1 import options_pb2

_METADATA_KEY = "idempotency-key"
_MAX_KEY_CHARS = 128


class IdempotencyInterceptor:
    """Handles RPCs whose contract takes a key, when the caller sent one.

    Only successful answers are stored. A refusal deletes the claim; a failure with an unknown outcome keeps
    the operation, so that a repeat cannot do the work twice.
    """

    def __init__(self, claims: IdempotencyStore, clock: Clock | None = None) -> None:
        self._claims = claims
        self._clock = clock or SystemClock()

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        if rpc.policy.idempotency != options_pb2.IDEMPOTENCY_KEY:
            return proceed
        lease_s = rpc.policy.deadline_ms / 1000

        async def once(request: Any, context: RpcContext) -> bytes:
            call = current_call()
            if call.principal is None or _METADATA_KEY not in call.metadata:
                return await proceed(request, context)
            claim = IdempotencyClaim(
                call.principal.id,
                rpc.full_name,
                _check_key(call.metadata_text(_METADATA_KEY)),
                _digest_request(request),
            )
            if rpc.policy.answer_in_change:
                return await self._run_unclaimed(claim, proceed, request, context)
            begun = await self._claims.claim_operation(claim, lease_s)
            if isinstance(begun, bytes):
                return begun
            return await self._run_claimed(claim, begun, proceed, request, context)

        return once

    async def _run_unclaimed(
        self, claim: IdempotencyClaim, proceed: RpcHandler, request: Message, context: RpcContext
    ) -> bytes:
        """Run a change that stores key and answer in its transaction, so that it commits for one run only.

        A repeat fails at the stored key at the latest, and perhaps earlier, since its effects are there. The
        stored answer is looked for only then.
        """
        current_call().operation = IdempotentOperation(secrets.token_hex(16), self._clock.now(), claim=claim)
        try:
            return await proceed(request, context)
        except Exception as error:
            if (answer := await self._find_answer(claim, error)) is None:
                raise
            return answer

    async def _find_answer(self, claim: IdempotencyClaim, error: Exception) -> bytes | None:
        """Return the stored answer, if any; raise `error` when it cannot be looked for now."""
        try:
            return await self._claims.find_answer(claim)
        except DomainError as refusal:
            if refusal.reason == "IDEMPOTENCY_KEY_REUSED":
                raise
            _log_unsettled(claim, refusal)
            raise error from None

    async def _run_claimed(
        self,
        claim: IdempotencyClaim,
        operation: IdempotentOperation,
        proceed: RpcHandler,
        request: Message,
        context: RpcContext,
    ) -> bytes:
        current_call().operation = operation
        try:
            answer = await proceed(request, context)
        except Exception as error:
            await self._release_or_expire(claim, error)
            raise
        try:
            await self._claims.store_answer(claim, answer)
        except DomainError as error:
            _log_unsettled(claim, error)
        return answer

    async def _release_or_expire(self, claim: IdempotencyClaim, error: Exception) -> None:
        """Release or expire a claim; if neither is possible now, its lease ends by itself."""
        try:
            if _was_refused(error):
                await self._claims.release(claim)
            else:
                await self._claims.expire(claim)
        except DomainError as unsettled:
            _log_unsettled(claim, unsettled)


def _was_refused(error: Exception) -> bool:
    if not isinstance(error, DomainError) or error.reason == "INTERNAL":
        return False
    return not error_reasons()[error.reason].is_retryable


def _log_unsettled(claim: IdempotencyClaim, error: DomainError) -> None:
    get_logger().warning("idempotency claim left to its lease", rpc=claim.rpc, reason=error.reason)


def _check_key(key: str) -> str:
    if 0 < len(key) <= _MAX_KEY_CHARS and all("!" <= char <= "~" for char in key):
        return key
    raise invalid_argument(
        Violation(_METADATA_KEY, f"has to be 1 to {_MAX_KEY_CHARS} visible ASCII characters")
    )


def _digest_request(request: Message) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
