"""Device tokens: by one of them a device shows that somebody signed in to an account with it before.

The idea is OWASP's device cookie. A token proves nothing but that: it opens no door, it only keeps its
account's owner apart from strangers who guess passwords.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

DEVICE_LIFE: Final = timedelta(days=365)
_ID_BYTES: Final = 12
_TIME_BYTES: Final = 5
_SEAL_BYTES: Final = 16
_BYTES: Final = _ID_BYTES + _TIME_BYTES + _SEAL_BYTES


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a device signed in as, and by which password: a new one makes strangers of all devices."""

    user_id: str
    credential: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device by its random number."""

    id: bytes

    @classmethod
    def new(cls) -> "Device":
        return cls(secrets.token_bytes(_ID_BYTES))

    @property
    def name(self) -> str:
        return self.id.hex()

    def token(self, key: bytes, owner: Owner, now: datetime) -> str:
        """What the device keeps, good for a year."""
        body = self.id + int(now.timestamp()).to_bytes(_TIME_BYTES, "big")
        return base64.urlsafe_b64encode(body + _seal(key, owner, body)).decode().rstrip("=")


def recognised(tokens: Iterable[str], key: bytes, owner: Owner, now: datetime) -> Device | None:
    """The device whose token of this account is among `tokens`; None for strangers."""
    devices = (_read(token, key, owner, now) for token in tokens)
    return next((device for device in devices if device is not None), None)


def _read(token: str, key: bytes, owner: Owner, now: datetime) -> Device | None:
    raw = _decoded(token)
    body, seal = raw[:-_SEAL_BYTES], raw[-_SEAL_BYTES:]
    if len(raw) != _BYTES or not hmac.compare_digest(seal, _seal(key, owner, body)):
        return None
    issued = datetime.fromtimestamp(int.from_bytes(body[_ID_BYTES:], "big"), UTC)
    return Device(body[:_ID_BYTES]) if now < issued + DEVICE_LIFE else None


def _seal(key: bytes, owner: Owner, body: bytes) -> bytes:
    told = f"{owner.user_id}:{owner.credential}:".encode() + body
    return hmac.digest(key, told, hashlib.sha256)[:_SEAL_BYTES]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
