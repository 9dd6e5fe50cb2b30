"""Security events: who did what to an account, in a chain for each account that shows every later change.

An event holds the digest of the one before it, so that one that is changed, removed, inserted or moved breaks
the chain; a keyed seal of each digest, so that nobody without the key can make another chain; and the head of
the chain says, sealed too, how long it is, so that its end cannot be cut off. Each account has a chain of its
own: writers of different accounts never wait for each other.

What a sealed chain cannot show is that an account's whole record, head included, was put back to an earlier
state; a backup shows that.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

MIN_FAILURES_INTERVAL: Final = timedelta(minutes=15)
"""Between two events of failed sign-ins at one account: a flood of guesses makes no flood of events."""
_FIRST_LINK: Final = b""


class SecurityVerb(StrEnum):
    SIGNED_IN = "SIGNED_IN"
    SIGN_INS_FAILED = "SIGN_INS_FAILED"
    REAUTHENTICATED = "REAUTHENTICATED"
    SESSION_ENDED = "SESSION_ENDED"
    SESSIONS_ENDED = "SESSIONS_ENDED"
    ADDRESS_VERIFIED = "ADDRESS_VERIFIED"
    ADDRESS_CHANGED = "ADDRESS_CHANGED"
    PASSWORD_REPLACED = "PASSWORD_REPLACED"  # noqa: S105
    SECOND_FACTOR_ADDED = "SECOND_FACTOR_ADDED"
    SECOND_FACTOR_REMOVED = "SECOND_FACTOR_REMOVED"
    RECOVERY_CODE_USED = "RECOVERY_CODE_USED"
    RECOVERY_CODES_RENEWED = "RECOVERY_CODES_RENEWED"
    PLAN_CHANGED = "PLAN_CHANGED"
    STAFF_RIGHTS_GIVEN = "STAFF_RIGHTS_GIVEN"
    STAFF_RIGHTS_TAKEN = "STAFF_RIGHTS_TAKEN"
    SUSPENDED = "SUSPENDED"
    RESTORED = "RESTORED"
    MEMBERSHIP_CHANGED = "MEMBERSHIP_CHANGED"
    API_KEY_CREATED = "API_KEY_CREATED"
    API_KEY_REVOKED = "API_KEY_REVOKED"
    IDENTITY_LINKED = "IDENTITY_LINKED"
    IDENTITY_UNLINKED = "IDENTITY_UNLINKED"
    PASSKEY_ADDED = "PASSKEY_ADDED"
    PASSKEY_REMOVED = "PASSKEY_REMOVED"
    PASSKEY_REFUSED = "PASSKEY_REFUSED"


class PerformerKind(StrEnum):
    """Who did it. OWNER has the account's password or code, UNKNOWN nothing, MEMBER is a colleague."""

    OWNER = "OWNER"
    UNKNOWN = "UNKNOWN"
    MEMBER = "MEMBER"
    STAFF = "STAFF"
    OPERATOR = "OPERATOR"
    SERVICE = "SERVICE"


@dataclass(frozen=True, slots=True)
class Performer:
    """Who did something, for which company if any, from which network, and in which call."""

    kind: PerformerKind
    id: str = ""
    acting_for: str = ""
    area: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class SecurityNote:
    """What happened to an account: a verb, what it is about, and the values before and after, redacted."""

    verb: SecurityVerb
    target: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """A link of an account's chain; `number` counts from 1."""

    id: str
    user_id: str
    number: int
    time: datetime
    performer: Performer
    note: SecurityNote
    previous: bytes
    digest: bytes = b""
    seal: bytes = b""

    def content_digest(self) -> bytes:
        """Return the digest of all that the event says, and of the event before it."""
        who, what = self.performer, self.note
        content = (
            *(self.id, self.user_id, self.number, self.time.isoformat(timespec="milliseconds")),
            *(who.kind, who.id, who.acting_for, who.area, who.request_id),
            *(what.verb, what.target, what.before, what.after),
            self.previous.hex(),
        )
        return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).digest()

    def sealed(self, key: bytes) -> "SecurityEvent":
        """Return the event with its digest and the seal of it."""
        digest = self.content_digest()
        return replace(self, digest=digest, seal=_seal(key, self.user_id, self.number, digest))


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The end of an account's chain: the number and digest of its last event, sealed.

    `failures_time` is when failed sign-ins were noted last.
    """

    id: str
    number: int = 0
    digest: bytes = _FIRST_LINK
    seal: bytes = b""
    failures_time: datetime | None = None

    def sealed(self, key: bytes) -> "ChainHead":
        """Return the head with the seal of all that it says."""
        failures = self.failures_time.isoformat(timespec="milliseconds") if self.failures_time else ""
        content = f"head:{self.id}:{self.number}:{failures}:".encode() + self.digest
        return replace(self, seal=hmac.digest(key, content, hashlib.sha256))

    def admits(self, note: SecurityNote, now: datetime) -> bool:
        """Return whether a note becomes an event: failed sign-ins do once in a quarter of an hour."""
        if note.verb is not SecurityVerb.SIGN_INS_FAILED or self.failures_time is None:
            return True
        return now >= self.failures_time + MIN_FAILURES_INTERVAL


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """The first link of an account's chain that does not hold; `number` is that of its event."""

    user_id: str
    number: int
    problem: str


def extend_chain(
    head: ChainHead,
    notes: Sequence[tuple[str, SecurityNote]],
    performer: Performer,
    now: datetime,
    key: bytes,
) -> tuple[list[SecurityEvent], ChainHead]:
    """Return the events that notes become, each with the ID beside it, and the head after them."""
    events: list[SecurityEvent] = []
    for event_id, note in notes:
        if not head.admits(note, now):
            continue
        event = SecurityEvent(event_id, head.id, head.number + 1, now, performer, note, head.digest)
        event = event.sealed(key)
        is_failure = note.verb is SecurityVerb.SIGN_INS_FAILED
        failures_time = now if is_failure else head.failures_time
        head = ChainHead(head.id, event.number, event.digest, failures_time=failures_time).sealed(key)
        events.append(event)
    return events, head


class ChainWalk:
    """Walks one account's events in their order and finds the first broken link."""

    def __init__(self, user_id: str, key: bytes) -> None:
        self._user_id = user_id
        self._key = key
        self._number = 0
        self._digest = _FIRST_LINK

    @property
    def length(self) -> int:
        return self._number

    def check_next(self, event: SecurityEvent) -> BrokenLink | None:
        """Check the event that is stored next; None when it holds."""
        expected = self._number + 1
        if event.number != expected:
            problem = "is missing" if event.number > expected else f"is there twice, as number {event.number}"
            return self._broken(expected, problem)
        if event.user_id != self._user_id or not hmac.compare_digest(event.previous, self._digest):
            return self._broken(expected, "does not follow the one before it")
        if not hmac.compare_digest(event.digest, event.content_digest()):
            return self._broken(expected, "was changed")
        if not hmac.compare_digest(event.seal, _seal(self._key, self._user_id, expected, event.digest)):
            return self._broken(expected, "was not sealed with this key")
        self._number, self._digest = expected, event.digest
        return None

    def unreadable(self) -> BrokenLink:
        """Return that the next link cannot be read."""
        return self._broken(self._number + 1, "cannot be read")

    def check_end(self, head: ChainHead | None) -> BrokenLink | None:
        """Check that the chain ends where its head says; None when it does."""
        if head is None:
            return self._broken(self._number, "has no head beside it") if self._number else None
        if not hmac.compare_digest(head.seal, head.sealed(self._key).seal):
            return self._broken(self._number, "has a head that was not sealed with this key")
        if head.number > self._number:
            return self._broken(self._number + 1, "is missing")
        if head.number < self._number or not hmac.compare_digest(head.digest, self._digest):
            return self._broken(head.number + 1, "stands beyond the head")
        return None

    def _broken(self, number: int, problem: str) -> BrokenLink:
        return BrokenLink(self._user_id, number, problem)


def redact_address(email: str) -> str:
    """Return an e-mail address of which only the first letter and the domain are left: `a***@example.org`."""
    name, _, domain = email.rpartition("@")
    return f"{name[:1]}***@{domain}" if name else ""


def _seal(key: bytes, user_id: str, number: int, digest: bytes) -> bytes:
    return hmac.digest(key, f"event:{user_id}:{number}:".encode() + digest, hashlib.sha256)
