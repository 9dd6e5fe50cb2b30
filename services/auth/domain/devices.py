"""Device tokens, which show that a device has signed in to an account before.

The idea is OWASP's device cookie. A token grants no access; it only distinguishes its account's owner from
others who guess passwords.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

DEVICE_LIFE: Final = timedelta(days=365)
_ID_BYTES: Final = 12
_TIME_BYTES: Final = 5
_MAC_BYTES: Final = 16
_TOKEN_BYTES: Final = _ID_BYTES + _TIME_BYTES + _MAC_BYTES


@dataclass(frozen=True, slots=True)
class DeviceOwner:
    """The account and password that a device signed in with: a new password makes all devices unknown."""

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

    def encode_token(self, key: bytes, owner: DeviceOwner, now: datetime) -> str:
        """Return the device's token, valid for a year."""
        body = self.id + int(now.timestamp()).to_bytes(_TIME_BYTES, "big")
        return base64.urlsafe_b64encode(body + _mac(key, owner, body)).decode().rstrip("=")


def recognise_device(
    tokens: Iterable[str], keys: Sequence[bytes], owner: DeviceOwner, now: datetime
) -> Device | None:
    """Return the device whose token of this account is among `tokens`; None for an unknown device."""
    devices = (_read_device_token(token, keys, owner, now) for token in tokens)
    return next((device for device in devices if device is not None), None)


def _read_device_token(token: str, keys: Sequence[bytes], owner: DeviceOwner, now: datetime) -> Device | None:
    raw = _decode_base64url(token)
    body, seal = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    is_ours = any(hmac.compare_digest(seal, _mac(key, owner, body)) for key in keys)
    if len(raw) != _TOKEN_BYTES or not is_ours:
        return None
    issued = datetime.fromtimestamp(int.from_bytes(body[_ID_BYTES:], "big"), UTC)
    return Device(body[:_ID_BYTES]) if now < issued + DEVICE_LIFE else None


def _mac(key: bytes, owner: DeviceOwner, body: bytes) -> bytes:
    signed_bytes = f"{owner.user_id}:{owner.credential}:".encode() + body
    return hmac.digest(key, signed_bytes, hashlib.sha256)[:_MAC_BYTES]


def _decode_base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
