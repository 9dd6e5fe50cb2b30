"""Issues access tokens, refresh tokens and the sessions that they belong to."""

import secrets
from collections.abc import Iterable
from typing import Any, Final, Protocol

import jwt

from chassis.clock import Clock
from chassis.ids import new_id, slot_of
from chassis.security.tokens import ALGORITHM, AUDIENCE, ISSUER
from services.auth.domain.accounts import Account
from services.auth.domain.devices import Device, DeviceOwner, recognise_device
from services.auth.domain.keys import ACCESS_TOKEN_LIFE
from services.auth.domain.sessions import PresentedRefreshToken, RefreshToken, Session, start_session
from services.auth.key_store import KeyStore
from services.auth.keyring import KeyRing

PASSWORD_AMR: Final = ("pwd",)
"""The method of the sign-in, in the terms of RFC 8176."""


class SessionRevoker(Protocol):
    """The port to the revocations that all services read."""

    async def revoke(self, session_ids: Iterable[str]) -> None:
        """Revoke the access tokens of these sessions; best effort, as they expire by themselves."""
        ...


class TokenIssuer:
    """Issues tokens."""

    def __init__(self, keys: KeyRing, key_store: KeyStore, clock: Clock) -> None:
        self._keys = keys
        self._key_store = key_store
        self._clock = clock

    def start_session(self, account: Account) -> tuple[Session, RefreshToken]:
        """Return a session that begins now, in the user's slot, and its first refresh token."""
        now = self._clock.now()
        token = RefreshToken(new_id("ses", slot_of(account.id), at=now), secrets.token_bytes(32))
        return start_session(account.id, account.credential, token, amr=PASSWORD_AMR, now=now), token

    def encode_refresh_token(self, token: RefreshToken) -> str:
        """Return a refresh token as clients store it."""
        return token.encode(self._key_store.refresh_key)

    def decode_refresh_token(self, text: str, client: bytes) -> PresentedRefreshToken:
        """Return a client's refresh token. Raises INVALID_REFRESH_TOKEN for one not issued here."""
        token = RefreshToken.decode(text, self._key_store.refresh_key)
        return PresentedRefreshToken(token, token.successor(self._key_store.successor_key), client)

    def recognise_device(self, account: Account, tokens: Iterable[str]) -> Device | None:
        """Return the device whose token of the account is among `tokens`; None for an unknown device."""
        return recognise_device(tokens, self._key_store.device_key, _device_owner(account), self._clock.now())

    def device_token(self, account: Account, tokens: Iterable[str]) -> str:
        """Return a token for the device that signs in now; a known device keeps its own."""
        device = self.recognise_device(account, tokens) or Device.new()
        return device.encode_token(self._key_store.device_key, _device_owner(account), self._clock.now())

    async def access_token(self, account: Account, session: Session) -> str:
        """Return an ES256 JWT for the session, valid for a quarter of an hour."""
        signer = await self._keys.current_signer()
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
