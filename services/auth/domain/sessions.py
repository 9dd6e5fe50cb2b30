"""Sessions and refresh tokens: rotation at each use, and the end of a session whose token is used twice.

A refresh token works once, except when its answer may have been lost: the token that was exchanged last gets
the same successor, within a few seconds and from the same client; the successor is derived from it, so there
is never a second one. Every other reuse ends the session: two parties hold the token.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.errors import domain_error
from chassis.ids import is_id
from services.auth.domain.accounts import Account
from services.auth.domain.events import SessionWasCompromised
from services.auth.domain.visitor import UNKNOWN_VISITOR, Visitor

MAX_IDLE_LIFE: Final = timedelta(days=30)
MAX_SESSION_LIFE: Final = timedelta(days=90)

_SECRET_BYTES: Final = 32
_MAC_BYTES: Final = 16


class EndReason(StrEnum):
    LOGOUT = "LOGOUT"
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105
    PASSWORD_REPLACED = "PASSWORD_REPLACED"  # noqa: S105
    MEMBERSHIP_ENDED = "MEMBERSHIP_ENDED"
    ENDED_BY_OWNER = "ENDED_BY_OWNER"
    PLAN_ENDED = "PLAN_ENDED"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"


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
    def decode(cls, text: str, keys: Sequence[bytes]) -> "RefreshToken":
        """Parse an encoded token.

        Raises INVALID_REFRESH_TOKEN for one that `encode` did not make with one of these keys.
        """
        session_id, _, sealed = text.partition(".")
        raw = _decode_base64url(sealed)
        if not is_id("ses", session_id) or len(raw) != _SECRET_BYTES + _MAC_BYTES:
            raise invalid_refresh_token()
        token = cls(session_id, raw[:_SECRET_BYTES])
        if not any(hmac.compare_digest(token._mac(key), raw[_SECRET_BYTES:]) for key in keys):
            raise invalid_refresh_token()
        return token

    def _mac(self, key: bytes) -> bytes:
        return hmac.digest(key, self.session_id.encode() + self.secret, hashlib.sha256)[:_MAC_BYTES]


@dataclass(frozen=True, slots=True)
class PresentedRefreshToken:
    """A genuine token as a client presents it, its successor, a digest of the client and its network.

    `other_successors` are those that processes with another key give it.
    """

    token: RefreshToken
    successor: RefreshToken
    client: bytes = b""
    area: str = ""
    other_successors: tuple[RefreshToken, ...] = ()

    def find_successor(self, digest: bytes) -> RefreshToken | None:
        """Return the successor of this digest; None when it is of another token."""
        successors = (self.successor, *self.other_successors)
        return next((each for each in successors if hmac.compare_digest(each.digest, digest)), None)


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in and all refresh tokens that follow from it; `token_digest` is of the current one.

    `client` is a digest of the client that exchanged a token last, `area` its network. `device` is the user
    agent that signed in.
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
    device: str = ""
    area: str = ""
    auth_time: datetime | None = None

    @property
    def last_auth_time(self) -> datetime:
        """When the owner signed in, or proved themselves again."""
        return self.auth_time or self.start_time

    def reauthenticated(self, amr: tuple[str, ...], now: datetime) -> "Session":
        """Return the session whose owner has proven themselves again by these methods."""
        return replace(self, amr=amr, auth_time=now)

    def check_refresh_token(
        self, presented: PresentedRefreshToken, grace: timedelta, now: datetime
    ) -> RefreshTokenStatus:
        """Return the status of a genuine token; REUSED only while the session has not ended."""
        if self.end_time is not None or now >= self.expire_time:
            return RefreshTokenStatus.ENDED
        if hmac.compare_digest(self.token_digest, presented.token.digest):
            return RefreshTokenStatus.CURRENT
        is_parent = presented.find_successor(self.token_digest) is not None
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
                compromised = SessionWasCompromised(
                    self.user_id, self.id, self.device, self.area, self.start_time
                )
                return AggregateChange(self.end(EndReason.TOKEN_REUSED, now), (compromised,))
            case RefreshTokenStatus.ENDED:
                raise invalid_refresh_token()

    def rotate(self, presented: PresentedRefreshToken, now: datetime) -> "Session":
        """Return the session with its next token: 30 more days, up to 90 since sign-in."""
        return replace(
            self,
            token_digest=presented.successor.digest,
            client=presented.client,
            area=presented.area,
            refresh_time=now,
            expire_time=min(now + MAX_IDLE_LIFE, self.start_time + MAX_SESSION_LIFE),
        )

    def end(self, reason: EndReason, now: datetime) -> "Session":
        """Return the ended session; the first end stays."""
        return self if self.end_time else replace(self, end_time=now, end_reason=reason)


def start_session(
    user_id: str,
    credential: int,
    token: RefreshToken,
    *,
    amr: tuple[str, ...],
    now: datetime,
    visitor: Visitor = UNKNOWN_VISITOR,
) -> Session:
    """Return a session of this visitor that has just begun with this token."""
    return Session(
        id=token.session_id,
        user_id=user_id,
        credential=credential,
        token_digest=token.digest,
        amr=amr,
        start_time=now,
        refresh_time=now,
        expire_time=now + MAX_IDLE_LIFE,
        device=visitor.program,
        area=visitor.area,
    )


def end_reason(before: Account, after: Account) -> EndReason:
    """Return why the sessions of an account's earlier credential end with this change."""
    if before.state is not after.state and not after.can_sign_in:
        return EndReason.ACCOUNT_SUSPENDED
    if before.password_hash != after.password_hash:
        return EndReason.PASSWORD_REPLACED
    if before.membership_number == after.membership_number and before.team_version == after.team_version:
        return EndReason.PLAN_ENDED
    return EndReason.MEMBERSHIP_ENDED


def invalid_refresh_token() -> Exception:
    return domain_error("INVALID_REFRESH_TOKEN", "The refresh token is not valid or was used before.")


def _decode_base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return b""
