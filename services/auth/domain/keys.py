"""Signing keys and their rotation: every process derives a key's state from the same times.

A key is inserted under the next number with the time from which it signs; so processes that start or rotate
at once agree on one key (the number is unique), and no process has to move a key from state to state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

ACCESS_TOKEN_LIFE: Final = timedelta(minutes=15)
API_KEY_TOKEN_LIFE: Final = timedelta(minutes=1)
"""Of the tokens that API keys are exchanged for; several times as long as such a token is given out."""
_CLOCK_SKEW: Final = timedelta(minutes=5)
_MAX_LEAD: Final = timedelta(days=1)


class KeyState(StrEnum):
    NEXT = "NEXT"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An ES256 key pair: the public point (base64url), the private part sealed with the data key."""

    id: str
    number: int
    kid: str
    x: str
    y: str
    sealed_private: bytes
    create_time: datetime
    activate_time: datetime


@dataclass(frozen=True, slots=True)
class DueSigningKey:
    """The key that has to be made now."""

    number: int
    activate_time: datetime


def key_id(number: int) -> str:
    return f"signing-key-{number:06d}"


def key_state(key: SigningKey, keys: Sequence[SigningKey], now: datetime) -> KeyState:
    """Return a key's state among all keys: a retired one expires with the last token that it signed."""
    if key.activate_time > now:
        return KeyState.NEXT
    successors = [other.activate_time for other in keys if other.number > key.number]
    retired_at = min((time for time in successors if time <= now), default=None)
    if retired_at is None:
        return KeyState.ACTIVE
    is_needed = now < retired_at + ACCESS_TOKEN_LIFE + _CLOCK_SKEW
    return KeyState.RETIRED if is_needed else KeyState.EXPIRED


def active_key(keys: Sequence[SigningKey], now: datetime) -> SigningKey | None:
    """Return the key that signs now."""
    return next((key for key in keys if key_state(key, keys, now) is KeyState.ACTIVE), None)


def published_keys(keys: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
    """Return the keys that may sign tokens now or soon, or that signed tokens which are still valid."""
    return [key for key in keys if key_state(key, keys, now) is not KeyState.EXPIRED]


def due_signing_key(keys: Sequence[SigningKey], rotation: timedelta, now: datetime) -> DueSigningKey | None:
    """Return the next key when it is time to publish it: a day (or half a rotation) before it signs."""
    if not keys:  # signs at once, also by a clock that is behind
        return DueSigningKey(1, now - _CLOCK_SKEW)
    newest = max(keys, key=lambda key: key.number)
    lead = min(_MAX_LEAD, rotation / 2)
    if now < newest.activate_time + rotation - lead:
        return None
    return DueSigningKey(newest.number + 1, max(newest.activate_time + rotation, now + lead))
