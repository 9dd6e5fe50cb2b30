"""The current time, as a port, so that rules about time can be tested."""

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

MAX_CLOCK_SKEW: Final = timedelta(seconds=5)
"""The tolerated difference between the clocks of two processes."""


def truncate_to_milliseconds(moment: datetime) -> datetime:
    """Return the same moment in UTC, cut to the milliseconds that MongoDB stores."""
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """Return the current time: aware, UTC, in whole milliseconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return truncate_to_milliseconds(datetime.now(UTC))


class FixedClock:
    """A clock that stands still until it is advanced."""

    def __init__(self, now: datetime) -> None:
        self._now = truncate_to_milliseconds(now)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now = truncate_to_milliseconds(self._now + by)
