"""Invitations to a company: their states, and the secrets of their links.

An invitation is for one address. Its secret is 256 random bits, stored as a digest; sending it again replaces
the secret, and a closed invitation stays closed.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chassis.errors import DomainError, domain_error
from chassis.ids import is_id
from services.user.domain.roles import MemberRole

INVITATION_LIFE: Final = timedelta(days=7)
MAX_SENDS_PER_INVITATION: Final = 5
MIN_RESEND_PAUSE: Final = timedelta(minutes=1)
_SECRET_BYTES: Final = 32


class InvitationState(StrEnum):
    SENT = "SENT"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


INVITATION_TRANSITIONS: Final[Mapping[InvitationState, frozenset[InvitationState]]] = {
    InvitationState.SENT: frozenset(
        {
            InvitationState.ACCEPTED,
            InvitationState.DECLINED,
            InvitationState.EXPIRED,
            InvitationState.REVOKED,
        }
    ),
    InvitationState.EXPIRED: frozenset({InvitationState.SENT}),
    InvitationState.ACCEPTED: frozenset(),
    InvitationState.DECLINED: frozenset(),
    InvitationState.REVOKED: frozenset(),
}

_CLOSED_WORDS: Final[Mapping[InvitationState, str]] = {
    InvitationState.ACCEPTED: "was accepted",
    InvitationState.DECLINED: "was declined",
    InvitationState.EXPIRED: "has expired",
    InvitationState.REVOKED: "was revoked",
}


@dataclass(frozen=True, slots=True)
class InvitationSecret:
    """The secret of an invitation's link; `text` is `<company ID>.<secret>`, base64url."""

    company_id: str
    secret: bytes

    @classmethod
    def new(cls, company_id: str) -> "InvitationSecret":
        """Return a secret that was never used."""
        return cls(company_id, secrets.token_bytes(_SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> "InvitationSecret":
        """Parse the text of a link. Raises INVITATION_NOT_FOUND for one that is not `text` of a secret."""
        company_id, _, encoded = text.partition(".")
        try:
            secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise invitation_not_found() from None
        parsed = cls(company_id, secret)
        # One spelling for one secret: base64 has spare bits.
        if not is_id("cmp", company_id) or len(secret) != _SECRET_BYTES or parsed.text != text:
            raise invitation_not_found()
        return parsed

    @property
    def text(self) -> str:
        return f"{self.company_id}.{base64.urlsafe_b64encode(self.secret).decode().rstrip('=')}"

    @property
    def digest(self) -> bytes:
        """The stored form; the company is part of it."""
        return hashlib.sha256(self.company_id.encode() + self.secret).digest()


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation of one address. `email` is as it was typed, `email_key` how addresses are compared.

    `send_times` has a time for each mail, the first one first. A `SENT` invitation whose time is over counts
    as expired, also before that is stored: see `state_at`.
    """

    id: str
    email: str
    email_key: str
    role: MemberRole
    secret_digest: bytes
    inviter_id: str
    send_times: tuple[datetime, ...]
    expire_time: datetime
    state: InvitationState = InvitationState.SENT
    close_time: datetime | None = None
    accepted_by: str = ""

    @property
    def create_time(self) -> datetime:
        return self.send_times[0]

    def state_at(self, now: datetime) -> InvitationState:
        """Return the state at a time."""
        if self.state is InvitationState.SENT and now >= self.expire_time:
            return InvitationState.EXPIRED
        return self.state

    def is_open(self, now: datetime) -> bool:
        """Return whether it can be accepted."""
        return self.state_at(now) is InvitationState.SENT

    def check_acceptable(self, email_key: str, now: datetime) -> None:
        """Raise INVITATION_CLOSED, or INVITATION_FOR_ANOTHER_ADDRESS, unless this address may accept."""
        self._check_transition(InvitationState.ACCEPTED, now)
        if email_key != self.email_key:
            raise domain_error(
                "INVITATION_FOR_ANOTHER_ADDRESS", "The invitation is for another e-mail address."
            )

    def accept(self, user_id: str, email_key: str, now: datetime) -> "Invitation":
        """Return it accepted by the person with the invited address; raises as `check_acceptable`."""
        self.check_acceptable(email_key, now)
        return replace(self._close(InvitationState.ACCEPTED, now), accepted_by=user_id)

    def decline(self, now: datetime) -> "Invitation":
        """Return it declined; a declined one as it is. Raises INVITATION_CLOSED."""
        return self._closed_as(InvitationState.DECLINED, now)

    def revoke(self, now: datetime) -> "Invitation":
        """Return it revoked; a revoked one as it is. Raises INVITATION_CLOSED."""
        return self._closed_as(InvitationState.REVOKED, now)

    def expire(self, now: datetime) -> "Invitation":
        """Return it in the state that it has at a time."""
        if self.state is InvitationState.SENT and not self.is_open(now):
            return replace(self, state=InvitationState.EXPIRED, close_time=self.expire_time)
        return self

    def resend(self, secret_digest: bytes, now: datetime) -> "Invitation":
        """Return it open with another secret.

        Raises INVITATION_CLOSED, RATE_LIMITED, COMPANY_LIMIT_REACHED.
        """
        if self.state_at(now) is not InvitationState.SENT:
            self._check_transition(InvitationState.SENT, now)
        if len(self.send_times) >= MAX_SENDS_PER_INVITATION:
            raise domain_error(
                "COMPANY_LIMIT_REACHED", f"One invitation is sent {MAX_SENDS_PER_INVITATION} times at most."
            )
        wait = self.send_times[-1] + MIN_RESEND_PAUSE - now
        if wait > timedelta():
            raise DomainError(
                "RATE_LIMITED", "It was sent a moment ago.", retry_after_s=max(1.0, wait.total_seconds())
            )
        return replace(
            self,
            state=InvitationState.SENT,
            secret_digest=secret_digest,
            send_times=(*self.send_times, now),
            expire_time=now + INVITATION_LIFE,
            close_time=None,
        )

    def _closed_as(self, state: InvitationState, now: datetime) -> "Invitation":
        if self.state is state:
            return self
        self._check_transition(state, now)
        return self._close(state, now)

    def _close(self, state: InvitationState, now: datetime) -> "Invitation":
        return replace(self, state=state, close_time=now)

    def _check_transition(self, target: InvitationState, now: datetime) -> None:
        state = self.state_at(now)
        if target not in INVITATION_TRANSITIONS[state]:
            raise domain_error("INVITATION_CLOSED", f"The invitation {_CLOSED_WORDS[state]}.")


def invitation_not_found() -> DomainError:
    """Return the error for an ID or a secret without an invitation."""
    return domain_error(
        "INVITATION_NOT_FOUND", "There is no such invitation, or a newer mail replaced its link."
    )
