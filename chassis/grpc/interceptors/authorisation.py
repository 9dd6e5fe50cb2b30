"""Admits the callers that the contract admits."""

from typing import Any

from chassis.call_context import Principal, current_call
from chassis.contracts import RpcSpec
from chassis.errors import DomainError, permission_denied
from chassis.grpc.handlers import RpcContext, RpcHandler


class AuthorisationInterceptor:
    """Checks the account's kind, role and verified address; the service checks rights to an object."""

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        if rpc.is_public:
            return proceed
        callers, needs_verified_email = rpc.callers, rpc.policy.verified_email

        async def authorised(request: Any, context: RpcContext) -> bytes:
            principal = current_call().principal
            if principal is None:
                raise DomainError("TOKEN_MISSING", "This call needs an access token.")
            if not _is_admitted(callers, principal):
                raise permission_denied(f"{rpc.name} is for {_describe_callers(callers)}.")
            if needs_verified_email and not (principal.email_verified or principal.kind == "SERVICE"):
                raise DomainError("EMAIL_NOT_VERIFIED", "The e-mail address of this account is not verified.")
            return await proceed(request, context)

        return authorised


def _is_admitted(callers: frozenset[str], principal: Principal) -> bool:
    return (
        principal.kind in callers
        or f"{principal.kind}_{principal.role}" in callers
        or ("SIGNED_IN" in callers and principal.kind != "SERVICE")
    )


def _describe_callers(callers: frozenset[str]) -> str:
    return " or ".join(sorted(name.replace("_", " ").lower() for name in callers))
