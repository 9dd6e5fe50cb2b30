"""Time zones of the IANA database: names, the end of a day, and formatted times."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones


def canonical_zone_name(written: str) -> str:
    """Return the database's spelling of a zone; "" for an unknown one."""
    return _zone_names().get(written.strip().casefold(), "")


def end_of_day(day: date, zone: str) -> datetime | None:
    """Return the last second of a day in a zone, in UTC; None when the zone's clocks left that day out.

    When midnight does not exist, the day ends when the clocks are put forward; when the last hour occurs
    twice, the day ends with the second one.
    """
    zone_info = ZoneInfo(zone or "UTC")
    next_day = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone_info)
    last = next_day.astimezone(UTC) - timedelta(seconds=1)
    return last if last.astimezone(zone_info).date() == day else None


def format_in_zone(moment: datetime, zone: str) -> str:
    """Return a time as the clocks of a zone show it: `2027-06-30 23:59 (UTC+02:00, Europe/Berlin)`."""
    local = moment.astimezone(ZoneInfo(zone or "UTC"))
    offset = local.isoformat()[-6:] if local.utcoffset() else "+00:00"
    return f"{local:%Y-%m-%d %H:%M} (UTC{offset}{f', {zone}' if zone else ''})"


@cache
def _zone_names() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones()}
