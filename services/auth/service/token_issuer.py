"""Access tokens, and the sessions that they and their refresh tokens belong to."""

import secrets
from collections.abc import Iterable
from typing import Any, Final, Protocol

import jwt

from chassis.clock import Clock
from chassis.ids import new_id, slot_of
from chassis.security.tokens import ALGORITHM, AUDIENCE, ISSUER
from services.auth.domain import (
    ACCESS_TOKEN_LIFE,
    Account,
    Device,
    DeviceOwner,
    PresentedRefreshToken,
    RefreshToken,
    Session,
    recognise_device,
    start_session,
)
from services.auth.key_store import KeyStore
from services.auth.keyring import KeyRing

PASSWORD_AMR: Final = ("pwd",)
"""How the sign-in was done, in the words of RFC 8176."""


class SessionRevoker(Protocol):
    """Where services look up whether a session has ended."""

    async def revoke(self, session_ids: Iterable[str]) -> None:
        """Makes the access tokens of these sessions worthless; best effort, they expire by themselves."""
        ...


class TokenIssuer:
    """Makes tokens."""

    def __init__(self, keys: KeyRing, vault: KeyStore, clock: Clock) -> None:
        self._keys = keys
        self._vault = vault
        self._clock = clock

    def session(self, account: Account) -> tuple[Session, RefreshToken]:
        """A session that begins now, in the user's slot, and its first refresh token."""
        now = self._clock.now()
        token = RefreshToken(new_id("ses", slot_of(account.id), at=now), secrets.token_bytes(32))
        return start_session(account.id, account.credential, token, amr=PASSWORD_AMR, now=now), token

    def encode(self, token: RefreshToken) -> str:
        """A refresh token as clients keep it."""
        return token.encode(self._vault.refresh_key)

    def shown(self, text: str, client: bytes) -> PresentedRefreshToken:
        """A refresh token as a client sent it. Raises INVALID_REFRESH_TOKEN if we never gave it out."""
        token = RefreshToken.decode(text, self._vault.refresh_key)
        return PresentedRefreshToken(token, token.successor(self._vault.successor_key), client)

    def recognised(self, account: Account, tokens: Iterable[str]) -> Device | None:
        """The device that has signed in to the account before, by its token."""
        return recognise_device(tokens, self._vault.device_key, _device_owner(account), self._clock.now())

    def device_token(self, account: Account, tokens: Iterable[str]) -> str:
        """A token for the device that signs in now, which stays the one it was."""
        device = self.recognised(account, tokens) or Device.new()
        return device.token(self._vault.device_key, _device_owner(account), self._clock.now())

    async def access_token(self, account: Account, session: Session) -> str:
        """An ES256 JWT for the session, good for a quarter of an hour."""
        signer = await self._keys.signer()
        return jwt.encode(
            self._claims(account, session),
            signer.private_key,
            algorithm=ALGORITHM,
            headers={"kid": signer.kid},
        )

    def _claims(self, account: Account, session: Session) -> dict[str, Any]:
        now = self._clock.now()
        holder = account.holder
        return {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": account.id,
            "sid": session.id,
            "kind": holder.kind.value,
            "role": holder.role.value if holder.role else "",
            "org": holder.company_id,
            "plan": account.plan.value,
            "amr": list(session.amr),
            "auth_time": int(session.start_time.timestamp()),
            "email_verified": account.email_verified,
            "iat": int(now.timestamp()),
            "exp": int((now + ACCESS_TOKEN_LIFE).timestamp()),
        }


def _device_owner(account: Account) -> DeviceOwner:
    return DeviceOwner(account.id, account.credential)
