"""Times as operators type them: a moment, or a time span before now."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from ops.errors import OpsError

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def parse_duration_s(text: str, option: str) -> float:
    """Return the seconds of a duration such as `90s` or `24h`. Raises OpsError, which names the option."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise OpsError(f"{option} takes a duration such as 90s, 30m, 24h or 7d, not '{text}'")
    return timedelta(**{_UNITS[match[2]]: float(match[1])}).total_seconds()


def parse_past_time(text: str, now: datetime) -> datetime:
    """Return the time in `text`: ISO 8601 (UTC by default), or a time span before `now`.

    Raises:
        OpsError: it is neither, or in the future.
    """
    try:
        if match := _DURATION.fullmatch(text):
            return now - timedelta(**{_UNITS[match[2]]: float(match[1])})
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise OpsError(
            f"--since takes a time such as 2027-03-01T09:00Z, or a duration such as 90s, 30m, 24h or 7d, "
            f"not '{text}'"
        ) from None
    named = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    if named > now:
        raise OpsError(f"--since takes a time that has passed, not '{text}'")
    return named
