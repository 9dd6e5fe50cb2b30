"""When seeded people did what: a history of weeks that ends days ago, too long ago for any notification."""

from datetime import datetime, timedelta
from typing import Final

from chassis.call_context import Principal
from chassis.clock import truncate_to_milliseconds
from devstack.seed.population import HISTORY_SPAN, SeedApplication, SeedListing, spread_times
from ops.service_names import OPERATOR_SERVICE

SEED_MODERATOR: Final = Principal(OPERATOR_SERVICE, "SERVICE")
COMPANY_AGE: Final = HISTORY_SPAN + timedelta(days=1)
STUDENT_AGE: Final = HISTORY_SPAN
PROFILE_DELAY: Final = timedelta(hours=1)
"""From a registration until the profile is filled in."""
VERIFICATION_DELAY: Final = timedelta(hours=2)
"""From a company's registration until it is verified, and from a draft until it is published."""
HISTORY_END_AGE: Final = timedelta(days=4)
OFFER_LIFETIME: Final = timedelta(days=7)
"""From the day of seeding: an offer of the past must not expire before it is answered here."""
# Answers are due 30 days after applying: younger applications wait, older ones were closed without one.
_PENDING_APPLICATION_AGE: Final = timedelta(days=20)
_CLOSED_APPLICATION_AGE, _CLOSED_APPLICATION_END_AGE = timedelta(days=50), timedelta(days=46)


def company_joined(now: datetime) -> datetime:
    """Return when companies registered, if they are seeded at `now`."""
    return truncate_to_milliseconds(now - COMPANY_AGE)


def student_joined(now: datetime) -> datetime:
    """Return when students registered."""
    return truncate_to_milliseconds(now - STUDENT_AGE)


def listing_written(each: SeedListing, now: datetime) -> datetime:
    """Return when a listing was drafted."""
    return truncate_to_milliseconds(now - each.age)


def history_end(now: datetime) -> datetime:
    """Return when listings were closed and paused, after all applications."""
    return truncate_to_milliseconds(now - HISTORY_END_AGE)


def application_times(each: SeedApplication, now: datetime) -> list[datetime]:
    """Return the times of the states of an application's course."""
    is_old = each.course[-1] == "CLOSED"
    start = now - (_CLOSED_APPLICATION_AGE if is_old else _PENDING_APPLICATION_AGE)
    end = now - (_CLOSED_APPLICATION_END_AGE if is_old else HISTORY_END_AGE)
    return [truncate_to_milliseconds(moment) for moment in spread_times(start, end, each.pauses)]
