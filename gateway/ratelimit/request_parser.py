"""Parses and checks Envoy's requests, as any client may reach the port."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf.message import DecodeError

from chassis.text import EmailAddressError, parse_email_address
from gateway.ratelimit.limiter import RequestDescriptor
from gateway.ratelimit.rules import DescriptorEntry, RateLimit, TimeUnit

ACCOUNT_KEY: Final = "account"
"""The entry with the account that a sign-in is about, as typed and percent-encoded."""
MAX_DESCRIPTORS: Final = 64
MAX_ENTRIES: Final = 16
MAX_NAME_CHARS: Final = 256
MAX_VALUE_CHARS: Final = 4_096
MAX_HITS: Final = 1_000_000_000
"""Envoy's own bound."""
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f]")


class InvalidRequestError(Exception):
    """The request cannot be answered; the message names the wrong part and the allowed values."""


def parse_request(raw: bytes) -> tuple[str, list[RequestDescriptor]]:
    """Return domain and descriptors of a serialized `RateLimitRequest`. Raises InvalidRequestError."""
    try:
        request = rls_pb2.RateLimitRequest.FromString(raw)
    except DecodeError:
        raise InvalidRequestError("the message is not a RateLimitRequest") from None
    _check_text(request.domain, "domain", MAX_NAME_CHARS, may_be_empty=False)
    _check_count(request.descriptors, "descriptors", MAX_DESCRIPTORS)
    _check_hits(request.hits_addend, "hits_addend")
    # A field of 0 is the same as an absent one, which means one hit.
    hits = request.hits_addend or 1
    return request.domain, [_parse_descriptor(each, at, hits) for at, each in enumerate(request.descriptors)]


def _parse_descriptor(given: ratelimit_pb2.RateLimitDescriptor, at: int, hits: int) -> RequestDescriptor:
    where = f"descriptors[{at}]"
    _check_count(given.entries, f"{where}.entries", MAX_ENTRIES)
    entries = tuple(
        _parse_entry(each, f"{where}.entries[{number}]") for number, each in enumerate(given.entries)
    )
    if given.HasField("hits_addend"):
        hits = given.hits_addend.value
        _check_hits(hits, f"{where}.hits_addend")
    limit = _parse_limit_override(given.limit, f"{where}.limit") if given.HasField("limit") else None
    return RequestDescriptor(entries, hits, limit)


def _parse_entry(given: ratelimit_pb2.RateLimitDescriptor.Entry, where: str) -> DescriptorEntry:
    _check_text(given.key, f"{where}.key", MAX_NAME_CHARS, may_be_empty=False)
    _check_text(given.value, f"{where}.value", MAX_VALUE_CHARS, may_be_empty=True)
    return given.key, _canonical_account(given.value) if given.key == ACCOUNT_KEY else given.value


def _canonical_account(typed: str) -> str:
    """Return one name for all spellings of an address; any other text unchanged."""
    text = unquote(typed, errors="replace")
    try:
        return parse_email_address(text).key
    except EmailAddressError:
        return typed


def _parse_limit_override(
    given: ratelimit_pb2.RateLimitDescriptor.RateLimitOverride, where: str
) -> RateLimit:
    try:
        return RateLimit(given.requests_per_unit, TimeUnit(given.unit))
    except ValueError:
        allowed = ", ".join(unit.name for unit in TimeUnit)
        raise InvalidRequestError(f"{where}.unit is {given.unit}; allowed: {allowed}") from None


def _check_text(text: str, where: str, longest: int, *, may_be_empty: bool) -> None:
    if not text and not may_be_empty:
        raise InvalidRequestError(f"{where} is empty")
    if len(text) > longest:
        raise InvalidRequestError(f"{where} has {len(text)} characters; allowed: {longest}")
    if _CONTROL_CHARACTER.search(text):
        raise InvalidRequestError(f"{where} holds a control character")


def _check_count(items: Sequence[object], where: str, most: int) -> None:
    if not 1 <= len(items) <= most:
        raise InvalidRequestError(f"{where} has {len(items)} items; allowed: 1 to {most}")


def _check_hits(hits: int, where: str) -> None:
    if hits > MAX_HITS:
        raise InvalidRequestError(f"{where} is {hits}; allowed: up to {MAX_HITS}")
