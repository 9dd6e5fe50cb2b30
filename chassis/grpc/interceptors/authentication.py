"""Finds out who calls, from the access token."""

from typing import Any, Protocol

from chassis.caller import Principal, current_call
from chassis.contracts import RpcSpec
from chassis.errors import DomainError
from chassis.grpc.handlers import Context, Handler

_SCHEME = "bearer "


class Verifier(Protocol):
    """Knows whether a token is ours."""

    async def verify(self, token: str) -> Principal:
        """The principal of a token. Raises DomainError TOKEN_INVALID or TOKEN_EXPIRED."""
        ...


class Revocations(Protocol):
    """Knows which sessions have ended."""

    async def refuse_revoked(self, session_id: str) -> None:
        """Raises DomainError SESSION_REVOKED when the session has ended."""
        ...


class Authentication:
    """Verifies the token wherever one is sent, public calls included; a broken one is never ignored."""

    def __init__(self, verifier: Verifier, revocations: Revocations) -> None:
        self._verifier = verifier
        self._revocations = revocations

    def bind(self, rpc: RpcSpec, proceed: Handler) -> Handler:
        async def authenticated(request: Any, context: Context) -> bytes:
            call = current_call()
            if "authorization" in call.metadata:
                call.principal = await self._principal(call.text("authorization"))
            return await proceed(request, context)

        return authenticated

    async def _principal(self, header: str) -> Principal:
        if header[: len(_SCHEME)].lower() != _SCHEME:
            raise DomainError("TOKEN_INVALID", "Send the access token as `Authorization: Bearer <token>`.")
        principal = await self._verifier.verify(header[len(_SCHEME) :].strip())
        if principal.session_id:
            await self._revocations.refuse_revoked(principal.session_id)
        return principal
