"""Admits the callers that the contract admits."""

import time
from collections.abc import Awaitable
from typing import Any, Final, TypeAlias

from chassis.call_context import SECOND_FACTOR_METHOD, Principal, current_call
from chassis.contracts import RpcSpec
from chassis.errors import DomainError, permission_denied
from chassis.grpc.handlers import RpcContext, RpcHandler
from internshipconnect.options.v1 import options_pb2

STAFF_KINDS: Final = frozenset({"MODERATOR", "ADMIN"})
"""The kinds of account whose password alone opens nothing."""
_SecondFactorNeed: TypeAlias = "options_pb2.SecondFactorNeed.ValueType"
_NOBODY: Final = options_pb2.SECOND_FACTOR_NEED_NOBODY
_PROVE_AGAIN: Final = "This call wants a fresh proof of who you are: prove it again, then repeat the call."
_SECOND_FACTOR_WANTED: Final = (
    "This call wants a session that has proven a second factor: turn an authenticator app on, or sign in with"
    " its code."
)


class AuthorisationInterceptor:
    """Checks the account's kind, role, verified address, second factor and age of its proof; a key's scope.

    The service checks rights to an object.
    """

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        callers, needs_verified_email = rpc.callers, rpc.policy.verified_email
        recent_auth_s, second_factor = rpc.policy.recent_auth_s, rpc.policy.second_factor
        if rpc.is_public:
            return _bind_public(rpc, proceed)

        async def authorised(request: Any, context: RpcContext) -> bytes:
            principal = current_call().principal
            if principal is None:
                raise DomainError("TOKEN_MISSING", "This call needs an access token.")
            _check_scope(rpc, principal)
            if not _is_admitted(callers, principal):
                raise permission_denied(f"{rpc.name} is for {_describe_callers(callers)}.")
            if _lacks_second_factor(second_factor, principal):
                raise DomainError("SECOND_FACTOR_MISSING", _SECOND_FACTOR_WANTED)
            if needs_verified_email and not (principal.email_verified or principal.kind == "SERVICE"):
                raise DomainError("EMAIL_NOT_VERIFIED", "The e-mail address of this account is not verified.")
            if recent_auth_s and not _has_recent_proof(principal, recent_auth_s):
                raise DomainError("REAUTHENTICATION_REQUIRED", _PROVE_AGAIN)
            return await proceed(request, context)

        return authorised


def _bind_public(rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
    """Return a public call that staff makes as everybody does, or with a second factor; keys by scope."""
    second_factor = rpc.policy.second_factor

    def admitted(request: Any, context: RpcContext) -> Awaitable[bytes]:
        principal = current_call().principal
        if principal is not None:
            _check_scope(rpc, principal)
            if _lacks_second_factor(second_factor, principal):
                raise DomainError("SECOND_FACTOR_MISSING", _SECOND_FACTOR_WANTED)
        return proceed(request, context)

    return admitted


def _check_scope(rpc: RpcSpec, principal: Principal) -> None:
    """Raise API_KEY_SCOPE_MISSING for an API key that may not make the call."""
    if principal.scopes is None:
        return
    wanted = rpc.api_key_scope
    if not wanted:
        raise DomainError("API_KEY_SCOPE_MISSING", f"{rpc.name} is for people, not for API keys.")
    if wanted not in principal.scopes:
        raise DomainError("API_KEY_SCOPE_MISSING", f"{rpc.name} is for API keys with the scope {wanted}.")


def _is_admitted(callers: frozenset[str], principal: Principal) -> bool:
    return (
        principal.kind in callers
        or f"{principal.kind}_{principal.role}" in callers
        or ("SIGNED_IN" in callers and principal.kind != "SERVICE")
    )


def _lacks_second_factor(need: _SecondFactorNeed, principal: Principal) -> bool:
    """Whether the session lacks a second factor that this call, or this kind of account, has to have."""
    if principal.kind == "SERVICE" or SECOND_FACTOR_METHOD in principal.amr:
        return False
    is_staff = principal.kind in STAFF_KINDS
    return need == options_pb2.SECOND_FACTOR_NEED_EVERYBODY or (is_staff and need != _NOBODY)


def _has_recent_proof(principal: Principal, recent_auth_s: int) -> bool:
    return principal.kind == "SERVICE" or principal.auth_time + recent_auth_s > time.time()


def _describe_callers(callers: frozenset[str]) -> str:
    return " or ".join(sorted(name.replace("_", " ").lower() for name in callers))
