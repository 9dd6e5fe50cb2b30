"""Public answers in caches, with the fields that depend on the clock computed for each answer.

A cached answer is a listing without `daysLeft` and `openForApplications`, after a head with the data of
these. Both fields are serialized for each answer and appended to the rest, which protobuf reads as one
message.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Self

from chassis.call_context import limit_freshness
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.derived import days_left, is_intake_open, next_clock_change
from services.internship.domain.model import Listing, ListingState

_HEAD: Final = struct.Struct(">qqB")
_NEVER: Final = -1
_UNTIL: Final = struct.Struct(">q")


PUBLIC_LISTING_TTL_S: Final = 10.0
"""The lifetime of a cached public answer, which holds nothing that depends on the clock."""


def listing_cache_key(listing_id: str) -> str:
    """Return the cache key of a listing's public answer."""
    return f"listing:{listing_id}"


@dataclass(frozen=True, slots=True)
class CachedListing:
    """A listing as a cache stores it."""

    head: bytes
    message: pb.Internship

    @classmethod
    def from_listing(cls, listing: Listing, message: pb.Internship) -> Self:
        """Return the listing's message without the fields that depend on the clock."""
        posting = listing.posting
        is_open = listing.state is ListingState.OPEN
        head = _HEAD.pack(_epoch_ms(posting.apply_open_time), _epoch_ms(posting.apply_deadline), is_open)
        message.ClearField("days_left")
        message.ClearField("open_for_applications")
        return cls(head, message)

    def SerializeToString(self) -> bytes:  # noqa: N802 - as messages are serialized
        """Return head and message."""
        return self.head + self.message.SerializeToString()


def listing_at(raw: bytes, now: datetime) -> bytes:
    """Return the message as of `now`; shared caches may keep it until the clock changes it."""
    following, until = _clock_fields(raw[: _HEAD.size]).at(now)
    if until is not None:
        limit_freshness((until - now).total_seconds())
    return raw[_HEAD.size :] + following


class _ClockFields:
    """The fields that depend on the clock, serialized again only when the clock has changed them."""

    __slots__ = ("_deadline", "_following", "_is_open", "_opens", "_since", "_until")

    def __init__(self, head: bytes) -> None:
        opens_ms, deadline_ms, is_open = _HEAD.unpack(head)
        self._opens, self._deadline = _time_of_epoch_ms(opens_ms), _time_of_epoch_ms(deadline_ms)
        self._is_open = bool(is_open)
        self._since: datetime | None = None
        self._until: datetime | None = None
        self._following = b""

    def at(self, now: datetime) -> tuple[bytes, datetime | None]:
        """Return the fields as of `now`, and when the clock next changes them; None for never."""
        if self._since is None or now < self._since or (self._until is not None and now >= self._until):
            self._since, self._until = now, next_clock_change(self._opens, self._deadline, now)
            self._following = pb.Internship(
                days_left=days_left(self._deadline, now),
                open_for_applications=self._is_open and is_intake_open(self._opens, self._deadline, now),
            ).SerializeToString()
        return self._following, self._until


_clock_fields: Final = lru_cache(8_192)(_ClockFields)


@dataclass(frozen=True, slots=True)
class CachedSearchPage:
    """A page of hits as a cache stores it: valid until the clock changes one of them."""

    until: datetime | None
    page: pb.ListInternshipsResponse

    @classmethod
    def from_page(cls, page: pb.ListInternshipsResponse, now: datetime) -> Self:
        """Return the page, valid until the first of its hits changes."""
        deadlines = [
            hit.apply_deadline.ToDatetime(tzinfo=UTC) for hit in page.data if hit.HasField("apply_deadline")
        ]
        changes = [change for each in deadlines if (change := next_clock_change(None, each, now)) is not None]
        return cls(min(changes, default=None), page)

    def SerializeToString(self) -> bytes:  # noqa: N802 - as messages are serialized
        """Return the end of its validity, and the page."""
        return _UNTIL.pack(_epoch_ms(self.until)) + self.page.SerializeToString()


def search_page_at(raw: bytes, now: datetime) -> bytes | None:
    """Return the page as of `now`; None when the clock has changed it."""
    [until_ms] = _UNTIL.unpack_from(raw)
    until = _time_of_epoch_ms(until_ms)
    if until is not None:
        if until <= now:
            return None
        limit_freshness((until - now).total_seconds())
    return raw[_UNTIL.size :]


def _epoch_ms(moment: datetime | None) -> int:
    return _NEVER if moment is None else round(moment.timestamp() * 1000)


def _time_of_epoch_ms(ms: int) -> datetime | None:
    return None if ms == _NEVER else datetime.fromtimestamp(ms / 1000, UTC)
