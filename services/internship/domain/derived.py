"""Values derived from a listing and the time: comparable pay, days left, whether it takes applications."""

from datetime import datetime, timedelta
from fractions import Fraction

from services.internship.domain.model import Employment, Listing, ListingState, PayUnit, Posting

WEEKS_PER_MONTH = Fraction(52, 12)
DEFAULT_HOURS_PER_WEEK = {Employment.FULL_TIME: 40, Employment.PART_TIME: 20, None: 40}
"""Assumed where a listing does not say."""
_DAY = timedelta(days=1)


def hourly_pay_minor(posting: Posting) -> int:
    """Return the minimum pay per hour in minor units, rounded half up; 0 when unpaid or unknown."""
    pay = posting.compensation
    if pay is None or not pay.paid or pay.unit is None:
        return 0
    hours = _hours_per_unit(posting, pay.unit)
    return int(Fraction(pay.min_minor) / hours + Fraction(1, 2)) if hours else 0


def _hours_per_unit(posting: Posting, unit: PayUnit) -> Fraction:
    weekly = Fraction(posting.hours_per_week or DEFAULT_HOURS_PER_WEEK[posting.employment])
    return {
        PayUnit.HOUR: Fraction(1),
        PayUnit.WEEK: weekly,
        PayUnit.MONTH: weekly * WEEKS_PER_MONTH,
        PayUnit.TOTAL: weekly * posting.duration_weeks,
    }[unit]


def days_left(deadline: datetime | None, now: datetime) -> int:
    """Return the days until the deadline, a started one counted; 0 when it has passed or there is none."""
    if deadline is None or deadline <= now:
        return 0
    return -((now - deadline) // _DAY)


def is_open_for_applications(listing: Listing, now: datetime) -> bool:
    """Return whether it takes applications now: OPEN and `apply_open_time <= now < apply_deadline`."""
    posting = listing.posting
    return listing.state is ListingState.OPEN and is_intake_open(
        posting.apply_open_time, posting.apply_deadline, now
    )


def is_intake_open(opens: datetime | None, deadline: datetime | None, now: datetime) -> bool:
    """Return whether the intake has begun and not ended; without a deadline it does not end."""
    return (opens is None or opens <= now) and deadline is not None and now < deadline


def next_clock_change(opens: datetime | None, deadline: datetime | None, now: datetime) -> datetime | None:
    """Return when the clock next changes the days left or the intake; None when it never will."""
    moments = [each for each in (opens, deadline) if each is not None and each > now]
    if deadline is not None and deadline > now:
        moments.append(now + ((deadline - now) % _DAY or _DAY))
    return min(moments, default=None)
