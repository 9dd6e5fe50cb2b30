"""Tickets in links that stand in for an access token: signed, for one purpose, and good for a short time."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import orjson

from chassis.security.data_keys import DataKeys

TicketValue = str | int

_MAC_BYTES: Final = 16
_KEY_LABEL: Final = "link tickets"


class LinkTicketError(Exception):
    """A ticket was not signed here, is for another purpose, or has expired."""


class LinkTickets:
    """Issues and reads tickets, signed with HMAC-SHA256 by a key that is derived from a data key.

    Nothing is stored: a ticket is valid until it expires, and its reader can see what it holds.
    """

    def __init__(self, data_keys: DataKeys) -> None:
        self._keys = data_keys.derive(_KEY_LABEL)

    def issue(self, purpose: str, values: Sequence[TicketValue], expire_time: datetime) -> str:
        """Return a ticket that holds `values`, in letters that need no quoting in a URL."""
        payload = orjson.dumps([int(expire_time.timestamp()), *values])
        return base64.urlsafe_b64encode(_mac(self._keys[0], purpose, payload) + payload).rstrip(b"=").decode()

    def open(self, purpose: str, ticket: str, now: datetime) -> tuple[list[TicketValue], datetime]:
        """Return what a ticket holds, and when it expires. Raises LinkTicketError."""
        try:
            raw = base64.b64decode(ticket + "=" * (-len(ticket) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise LinkTicketError from None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, purpose, payload)) for key in self._keys):
            raise LinkTicketError
        expires_at, *values = orjson.loads(payload)
        expire_time = datetime.fromtimestamp(expires_at, UTC)
        if now >= expire_time:
            raise LinkTicketError
        return values, expire_time


def _mac(key: bytes, purpose: str, payload: bytes) -> bytes:
    signed = len(purpose).to_bytes(2) + purpose.encode() + payload
    return hmac.digest(key, signed, hashlib.sha256)[:_MAC_BYTES]
