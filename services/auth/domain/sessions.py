"""Sessions and refresh tokens: rotation at each use, and the end of a session whose token is used twice.

A refresh token works once, except when its answer may have been lost: the token that was exchanged last gets
the same successor, within a few seconds and from the same client; the successor is derived from it, so there
is never a second one. Every other reuse ends the session: two parties hold the token.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.errors import domain_error
from chassis.ids import is_id
from services.auth.domain.events import SessionWasCompromised

MAX_IDLE_LIFE: Final = timedelta(days=30)
MAX_SESSION_LIFE: Final = timedelta(days=90)

_SECRET_BYTES: Final = 32
_MAC_BYTES: Final = 16


class EndReason(StrEnum):
    LOGOUT = "LOGOUT"
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105
    PASSWORD_REPLACED = "PASSWORD_REPLACED"  # noqa: S105


class RefreshTokenStatus(StrEnum):
    """The status of a genuine refresh token; REPEATED: exchanged just now, by the same client."""

    CURRENT = "CURRENT"
    REPEATED = "REPEATED"
    REUSED = "REUSED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """`<session id>.<secret>`: 256 random bits and a MAC that shows that this service issued it.

    The MAC distinguishes a former token from an invented one, without a list of all former ones: only a
    genuine one may end a session, knowing the session's ID is not enough.
    """

    session_id: str
    secret: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.secret).digest()

    def successor(self, key: bytes) -> "RefreshToken":
        """Return the token that this one is exchanged for, derived with the key and thus always the same."""
        signed_bytes = b"successor:" + self.session_id.encode() + self.secret
        return RefreshToken(self.session_id, hmac.digest(key, signed_bytes, hashlib.sha256))

    def encode(self, key: bytes) -> str:
        sealed = self.secret + self._mac(key)
        return f"{self.session_id}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"

    @classmethod
    def decode(cls, text: str, key: bytes) -> "RefreshToken":
        """Parse an encoded token.

        Raises INVALID_REFRESH_TOKEN for one that `encode` did not make with this key.
        """
        session_id, _, sealed = text.partition(".")
        raw = _decode_base64url(sealed)
        if not is_id("ses", session_id) or len(raw) != _SECRET_BYTES + _MAC_BYTES:
            raise invalid_refresh_token()
        token = cls(session_id, raw[:_SECRET_BYTES])
        if not hmac.compare_digest(token._mac(key), raw[_SECRET_BYTES:]):
            raise invalid_refresh_token()
        return token

    def _mac(self, key: bytes) -> bytes:
        return hmac.digest(key, self.session_id.encode() + self.secret, hashlib.sha256)[:_MAC_BYTES]


@dataclass(frozen=True, slots=True)
class PresentedRefreshToken:
    """A genuine token as presented by a client, with its successor and a digest of the client."""

    token: RefreshToken
    successor: RefreshToken
    client: bytes = b""


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in and all refresh tokens that follow from it; `token_digest` is of the current one.

    `client` is a digest of the client that exchanged a token last.
    """

    id: str
    user_id: str
    credential: int
    token_digest: bytes
    amr: tuple[str, ...]
    start_time: datetime
    refresh_time: datetime
    expire_time: datetime
    end_time: datetime | None = None
    end_reason: EndReason | None = None
    client: bytes = b""

    def check_refresh_token(
        self, presented: PresentedRefreshToken, grace: timedelta, now: datetime
    ) -> RefreshTokenStatus:
        """Return the status of a genuine token; REUSED only while the session has not ended."""
        if self.end_time is not None or now >= self.expire_time:
            return RefreshTokenStatus.ENDED
        if hmac.compare_digest(self.token_digest, presented.token.digest):
            return RefreshTokenStatus.CURRENT
        is_parent = hmac.compare_digest(self.token_digest, presented.successor.digest)
        is_same_client = hmac.compare_digest(self.client, presented.client)
        if is_parent and is_same_client and now < self.refresh_time + grace:
            return RefreshTokenStatus.REPEATED
        return RefreshTokenStatus.REUSED

    def exchange_token(
        self, presented: PresentedRefreshToken, grace: timedelta, now: datetime
    ) -> AggregateChange["Session"] | None:
        """Return the change by a genuine token: its successor, nothing for a repeat, the end for a reuse.

        Raises INVALID_REFRESH_TOKEN when the session has ended.
        """
        match self.check_refresh_token(presented, grace, now):
            case RefreshTokenStatus.CURRENT:
                return AggregateChange(self.rotate(presented, now))
            case RefreshTokenStatus.REPEATED:
                return None
            case RefreshTokenStatus.REUSED:
                compromised = SessionWasCompromised(user_id=self.user_id, session_id=self.id)
                return AggregateChange(self.end(EndReason.TOKEN_REUSED, now), (compromised,))
            case RefreshTokenStatus.ENDED:
                raise invalid_refresh_token()

    def rotate(self, presented: PresentedRefreshToken, now: datetime) -> "Session":
        """Return the session with its next token: 30 more days, up to 90 since sign-in."""
        return replace(
            self,
            token_digest=presented.successor.digest,
            client=presented.client,
            refresh_time=now,
            expire_time=min(now + MAX_IDLE_LIFE, self.start_time + MAX_SESSION_LIFE),
        )

    def end(self, reason: EndReason, now: datetime) -> "Session":
        """Return the ended session; the first end stays."""
        return self if self.end_time else replace(self, end_time=now, end_reason=reason)


def start_session(
    user_id: str, credential: int, token: RefreshToken, *, amr: tuple[str, ...], now: datetime
) -> Session:
    """Return a session that has just begun with this token."""
    return Session(
        id=token.session_id,
        user_id=user_id,
        credential=credential,
        token_digest=token.digest,
        amr=amr,
        start_time=now,
        refresh_time=now,
        expire_time=now + MAX_IDLE_LIFE,
    )


def invalid_refresh_token() -> Exception:
    return domain_error("INVALID_REFRESH_TOKEN", "The refresh token is not valid or was used before.")


def _decode_base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return b""
