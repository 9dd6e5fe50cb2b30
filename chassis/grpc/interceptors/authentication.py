"""Finds out who calls, from the access token."""

import re
from typing import Any, Final, Protocol

from chassis.caller import Principal, current_call
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


class Authentication:
    """Verifies the token wherever one is sent, public calls included; a broken one is never ignored."""

    def __init__(self, verifier: Verifier, revocations: Revocations) -> None:
        self._verifier = verifier
        self._revocations = revocations

    def bind(self, rpc: RpcSpec, proceed: Handler) -> Handler:
        async def authenticated(request: Any, context: Context) -> bytes:
            call = current_call()
            if PROOF_KEY in call.metadata:
                call.principal = await self._principal(call.text(PROOF_KEY))
            return await proceed(request, context)

        return authenticated

    async def _principal(self, header: str) -> Principal:
        proof = _PROOF.fullmatch(header)
        if proof is None:
            raise DomainError("TOKEN_INVALID", "Send one header, `Authorization: Bearer <token>`.")
        principal = await self._verifier.verify(proof.group(1))
        if principal.session_id:
            await self._revocations.refuse_revoked(principal.session_id)
        return principal
