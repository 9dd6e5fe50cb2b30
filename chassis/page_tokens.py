"""Opaque, signed page tokens: the position in one caller's query from which the next page continues."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import TypeVar

import orjson
from google.protobuf.message import Message

from chassis.call_context import current_principal_or_none
from chassis.errors import DomainError, Violation, invalid_argument

SortValue = str | int | float | None
M = TypeVar("M", bound=Message)

_MAC_BYTES = 16
_MIN_KEY_BYTES = 32
_PAGING_FIELDS = ("page_token", "page_size")


class PageTokens:
    """Issues and reads page tokens, signed with HMAC-SHA256.

    A token is valid for the query that it was issued for (the page size may change) and for the caller whom
    it was issued to. `key` has at least 32 bytes; ValueError otherwise.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < _MIN_KEY_BYTES:
            raise ValueError(f"a page token key has at least {_MIN_KEY_BYTES} bytes, this one {len(key)}")
        self._key = key

    def encode(self, query: Message, position: Sequence[SortValue]) -> str:
        """Return a token for the page of `query` after `position`, the sort values of the last row so far."""
        payload = orjson.dumps(list(position))
        return base64.urlsafe_b64encode(self._mac(query, payload) + payload).rstrip(b"=").decode()

    def decode(self, query: Message, token: str) -> list[SortValue] | None:
        """Return the position in `token`; None for "" (the first page).

        Raises DomainError INVALID_PAGE_TOKEN for a token that is not valid for this query and caller.
        """
        if not token:
            return None
        raw = _decode_token(token)
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(query, payload)):
            raise _invalid_page_token()
        position: list[SortValue] = orjson.loads(payload)
        return position

    def _mac(self, query: Message, payload: bytes) -> bytes:
        principal = current_principal_or_none()
        digest = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in (_query_identity(query), principal.id.encode() if principal else b"", payload):
            digest.update(len(part).to_bytes(4, "big") + part)
        return digest.digest()[:_MAC_BYTES]


def clamp_page_size(requested: int, default: int = 20, max_size: int = 50) -> int:
    """Return the number of rows of a page: `default` for 0, at most `max_size`."""
    return min(requested, max_size) if requested > 0 else default


def _query_identity(query: M) -> bytes:
    bare = type(query)()
    bare.CopyFrom(query)
    for name in _PAGING_FIELDS:
        if name in bare.DESCRIPTOR.fields_by_name:
            bare.ClearField(name)
    return bare.DESCRIPTOR.full_name.encode() + b"\0" + bare.SerializeToString(deterministic=True)


def _decode_token(token: str) -> bytes:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid_page_token() from None


def _invalid_page_token() -> DomainError:
    return invalid_argument(
        Violation("pageToken", "is not a token for the next page of this query; leave it out to start again"),
        reason="INVALID_PAGE_TOKEN",
    )
