"""Authenticates the caller by the access token."""

import re
from typing import Any, Final, Protocol

from google.protobuf.message import DecodeError

from chassis.call_context import Principal, client_fingerprint, current_call
from chassis.contracts import RpcSpec
from chassis.errors import DomainError
from chassis.grpc.handlers import RpcContext, RpcHandler

AUTHORIZATION_METADATA_KEY: Final = "authorization"
"""The metadata with the access token."""
_BEARER_TOKEN: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
"""The accepted form, the same as in the gateway's `on_request.lua`; a test compares the two."""


class PrincipalVerifier(Protocol):
    """Verifies tokens."""

    async def verify(self, token: str) -> Principal:
        """Return the principal of a token. Raises DomainError TOKEN_INVALID or TOKEN_EXPIRED."""
        ...


class RevocationCheck(Protocol):
    """Knows the ended sessions."""

    async def raise_if_revoked(self, session_id: str) -> None:
        """Raise DomainError SESSION_REVOKED when the session has ended."""
        ...


class TicketRedeemer(Protocol):
    """Redeems tickets, which some RPCs accept instead of a token."""

    async def redeem(self, text: str, rpc: str, client: bytes) -> Principal:
        """Return the principal of a ticket. Raises DomainError TOKEN_INVALID, UNAVAILABLE."""
        ...


class AuthenticationInterceptor:
    """Verifies every token that is sent, to public RPCs as well; an invalid one is never ignored."""

    def __init__(
        self, verifier: PrincipalVerifier, revocations: RevocationCheck, tickets: TicketRedeemer | None = None
    ) -> None:
        self._verifier = verifier
        self._revocations = revocations
        self._tickets = tickets

    def bind(self, rpc: RpcSpec, proceed: RpcHandler) -> RpcHandler:
        tickets = self._tickets if rpc.policy.ticket else None

        async def authenticated(request: Any, context: RpcContext) -> bytes:
            call = current_call()
            if AUTHORIZATION_METADATA_KEY in call.metadata:
                call.principal = await self._principal(call.metadata_text(AUTHORIZATION_METADATA_KEY))
            elif tickets is not None and (ticket := _read_ticket(rpc, request)):
                principal = await tickets.redeem(ticket, rpc.full_name, client_fingerprint())
                await self._raise_if_revoked(principal)
                call.principal = principal
            return await proceed(request, context)

        return authenticated

    async def _principal(self, header: str) -> Principal:
        proof = _BEARER_TOKEN.fullmatch(header)
        if proof is None:
            raise DomainError("TOKEN_INVALID", "Send one header, `Authorization: Bearer <token>`.")
        principal = await self._verifier.verify(proof.group(1))
        await self._raise_if_revoked(principal)
        return principal

    async def _raise_if_revoked(self, principal: Principal) -> None:
        if principal.session_id:
            await self._revocations.raise_if_revoked(principal.session_id)


def _read_ticket(rpc: RpcSpec, request: bytes) -> str:
    """Return the ticket in a request; "" when it is absent or unreadable, which the validation reports."""
    try:
        return str(getattr(rpc.request_type.FromString(request), rpc.policy.ticket))
    except DecodeError:
        return ""
