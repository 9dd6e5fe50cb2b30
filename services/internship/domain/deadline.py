"""Deadlines: a moment in the zone that the company means, or the end of a day there."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

from chassis.errors import Violation
from chassis.time_zones import canonical_zone_name, end_of_day
from services.internship.domain.model import Posting


def with_deadline(posting: Posting) -> Posting:
    """Return the posting with its zone in canonical spelling, and the moment when its deadline day ends."""
    zone = canonical_zone_name(posting.apply_deadline_zone)
    if not zone:
        return posting
    named = replace(posting, apply_deadline_zone=zone)
    return named if named.apply_deadline is not None else _ending_with_day(named)


def with_utc_deadline(posting: Posting) -> Posting:
    """Return the same for a posting that names no zone."""
    if posting.apply_deadline_zone or posting.apply_deadline is not None:
        return posting
    return _ending_with_day(posting)


def deadline_violations(posting: Posting) -> Iterator[Violation]:
    """Yield violations for an unknown zone, an invalid day, and a day that contradicts the moment."""
    zone = posting.apply_deadline_zone
    if zone and not canonical_zone_name(zone):
        yield Violation(
            "applyDeadlineZone", f"`{zone}` is not a time zone of the IANA database, e.g. `Europe/Berlin`"
        )
        return
    if not posting.apply_deadline_date:
        return
    end = _end_of_deadline_day(posting)
    if end is None:
        yield Violation(
            "applyDeadlineDate", f"there is no day {posting.apply_deadline_date} in {zone or 'UTC'}"
        )
    elif posting.apply_deadline not in (None, end):
        yield Violation(
            "applyDeadlineDate",
            f"ends at {end:%Y-%m-%dT%H:%M:%SZ}, not at applyDeadline: send one of them",
        )


def _ending_with_day(posting: Posting) -> Posting:
    return (
        replace(posting, apply_deadline=_end_of_deadline_day(posting))
        if posting.apply_deadline_date
        else posting
    )


def _end_of_deadline_day(posting: Posting) -> datetime | None:
    try:
        day = date.fromisoformat(posting.apply_deadline_date)
        return end_of_day(day, posting.apply_deadline_zone)
    except (ValueError, OverflowError):
        return None
