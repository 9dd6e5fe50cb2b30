"""Finds out who calls, from the access token."""

import re
from typing import Any, Final, Protocol

from google.protobuf.message import DecodeError

from chassis.caller import Principal, client_digest, current_call
from chassis.contracts import RpcSpec
from chassis.errors import DomainError
from chassis.grpc.handlers import Context, Handler

PROOF_KEY: Final = "authorization"
"""The metadata that says who calls."""
_PROOF: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
"""The one way to write it, for the gateway's `entry.lua` as well; a test holds the two together."""


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


class Tickets(Protocol):
    """Knows tickets, which some calls take in the place of a token."""

    async def redeem(self, text: str, rpc: str, client: bytes) -> Principal:
        """The principal of a ticket. Raises DomainError TOKEN_INVALID, UNAVAILABLE."""
        ...


class Authentication:
    """Verifies the token wherever one is sent, public calls included; a broken one is never ignored."""

    def __init__(self, verifier: Verifier, revocations: Revocations, tickets: Tickets | None = None) -> None:
        self._verifier = verifier
        self._revocations = revocations
        self._tickets = tickets

    def bind(self, rpc: RpcSpec, proceed: Handler) -> Handler:
        tickets = self._tickets if rpc.policy.ticket else None

        async def authenticated(request: Any, context: Context) -> bytes:
            call = current_call()
            if PROOF_KEY in call.metadata:
                call.principal = await self._principal(call.text(PROOF_KEY))
            elif tickets is not None and (ticket := _ticket_in(rpc, request)):
                principal = await tickets.redeem(ticket, rpc.full_name, client_digest())
                await self._refuse_revoked(principal)
                call.principal = principal
            return await proceed(request, context)

        return authenticated

    async def _principal(self, header: str) -> Principal:
        proof = _PROOF.fullmatch(header)
        if proof is None:
            raise DomainError("TOKEN_INVALID", "Send one header, `Authorization: Bearer <token>`.")
        principal = await self._verifier.verify(proof.group(1))
        await self._refuse_revoked(principal)
        return principal

    async def _refuse_revoked(self, principal: Principal) -> None:
        if principal.session_id:
            await self._revocations.refuse_revoked(principal.session_id)


def _ticket_in(rpc: RpcSpec, request: bytes) -> str:
    """The ticket in a request; "" where it has none, or cannot be read, which the validation says."""
    try:
        return str(getattr(rpc.request.FromString(request), rpc.policy.ticket))
    except DecodeError:
        return ""
