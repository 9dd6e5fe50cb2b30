"""Issues access tokens, refresh tokens and the sessions that they belong to."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Protocol

import jwt

from chassis.call_context import SECOND_FACTOR_METHOD
from chassis.clock import Clock
from chassis.ids import new_id, slot_of
from chassis.security.tokens import ALGORITHM, AUDIENCE
from services.auth.domain.accounts import Account, AccountKind, AccountPlan, CompanyRole
from services.auth.domain.api_keys import ApiKey
from services.auth.domain.devices import Device, DeviceOwner, recognise_device
from services.auth.domain.keys import ACCESS_TOKEN_LIFE, API_KEY_TOKEN_LIFE
from services.auth.domain.sessions import PresentedRefreshToken, RefreshToken, Session, start_session
from services.auth.domain.visitor import Visitor
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
    """Issues tokens; `issuer` is the gateway's address, where discovery says how to verify them."""

    def __init__(self, keys: KeyRing, key_store: KeyStore, clock: Clock, issuer: str) -> None:
        self._issuer = issuer
        self._keys = keys
        self._key_store = key_store
        self._clock = clock

    def start_session(
        self, account: Account, visitor: Visitor, amr: tuple[str, ...] = PASSWORD_AMR
    ) -> tuple[Session, RefreshToken]:
        """Return a visitor's session that begins now, in the user's slot, and its first refresh token.

        `amr` are the methods of the sign-in.
        """
        now = self._clock.now()
        token = RefreshToken(new_id("ses", slot_of(account.id), at=now), secrets.token_bytes(32))
        session = start_session(account.id, account.credential, token, amr=amr, now=now, visitor=visitor)
        return session, token

    def encode_refresh_token(self, token: RefreshToken) -> str:
        """Return a refresh token as clients store it."""
        return token.encode(self._key_store.refresh_keys[0])

    def decode_refresh_token(self, text: str, visitor: Visitor) -> PresentedRefreshToken:
        """Return a visitor's refresh token. Raises INVALID_REFRESH_TOKEN for one not issued here."""
        token = RefreshToken.decode(text, self._key_store.refresh_keys)
        successor, *others = (token.successor(key) for key in self._key_store.successor_keys)
        return PresentedRefreshToken(token, successor, visitor.digest, visitor.area, tuple(others))

    def recognise_device(self, account: Account, tokens: Iterable[str]) -> Device | None:
        """Return the device whose token of the account is among `tokens`; None for an unknown device."""
        return recognise_device(
            tokens, self._key_store.device_keys, _device_owner(account), self._clock.now()
        )

    def device_token(self, account: Account, tokens: Iterable[str]) -> str:
        """Return a token for the device that signs in now; a known device keeps its own."""
        device = self.recognise_device(account, tokens) or Device.new()
        return device.encode_token(self._key_store.device_keys[0], _device_owner(account), self._clock.now())

    async def access_token(self, account: Account, session: Session) -> str:
        """Return an ES256 JWT for the session, valid for a quarter of an hour."""
        now = self._clock.now()
        return await self._sign(_claims(account, session), now, now + ACCESS_TOKEN_LIFE)

    async def api_key_token(self, company_id: str, key: ApiKey, plan: AccountPlan) -> str:
        """Return an ES256 JWT for a company's program, valid for a minute.

        It calls as a recruiter of the company, within the key's scopes. The key stands for the session.
        """
        now = self._clock.now()
        claims = {
            "sub": key.id,
            "sid": key.id,
            "kind": AccountKind.COMPANY.value,
            "role": CompanyRole.RECRUITER.value,
            "org": company_id,
            "plan": plan.value,
            "scope": " ".join(key.scopes),
            "email_verified": True,
        }
        expire_time = min(now + API_KEY_TOKEN_LIFE, key.expire_time)
        return await self._sign(claims, now, expire_time)

    async def _sign(self, claims: dict[str, Any], now: datetime, expire_time: datetime) -> str:
        signer = await self._keys.current_signer()
        whole = claims | {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "iat": int(now.timestamp()),
            "exp": int(expire_time.timestamp()),
        }
        return jwt.encode(whole, signer.private_key, algorithm=ALGORITHM, headers={"kid": signer.kid})


def _claims(account: Account, session: Session) -> dict[str, Any]:
    holder = account.holder
    # The plan of staff lifts limits: not for a password alone.
    is_unproven_staff = account.is_staff and SECOND_FACTOR_METHOD not in session.amr
    return {
        "sub": account.id,
        "sid": session.id,
        "kind": holder.kind.value,
        "role": holder.role.value if holder.role else "",
        "org": holder.company_id,
        "plan": (AccountPlan.FREE if is_unproven_staff else account.effective_plan).value,
        "amr": list(session.amr),
        "auth_time": int(session.last_auth_time.timestamp()),
        "email_verified": account.email_verified,
    }


def _device_owner(account: Account) -> DeviceOwner:
    return DeviceOwner(account.id, account.credential)
