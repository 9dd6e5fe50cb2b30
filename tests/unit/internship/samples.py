"""Listings to test with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.internship.domain.model import (
    Actor,
    ActorKind,
    Compensation,
    Listing,
    ListingCompany,
    ListingLocation,
    ListingState,
    PayUnit,
    Posting,
    SkillNeed,
    WorkMode,
)

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
DEADLINE = NOW + timedelta(days=14)
COMPANY = ListingCompany(
    id="cmp_01JD0000000000000000000000", name="Acme Robotics", url="https://acme.example"
)
OWNER = Actor(kind=ActorKind.COMPANY, id="usr_01JD0000000000000000000000")
MODERATOR = Actor(kind=ActorKind.MODERATOR, id="usr_01JD0000000000000000000001")

POSTING = Posting(
    title="Python Engineering Intern",
    description="Build the services that our robots talk to.",
    locations=(ListingLocation(city="Berlin", country="DE", lat=52.52, lng=13.405),),
    work_mode=WorkMode.HYBRID,
    compensation=Compensation(paid=True, min_minor=2_000_00, currency="EUR", unit=PayUnit.MONTH),
    skills=(SkillNeed(name="Python", required=True), SkillNeed(name="SQL")),
    field="Software Engineering",
    duration_weeks=12,
    openings=2,
    apply_deadline=DEADLINE,
)


def listing(state: ListingState = ListingState.DRAFT, **changes: Any) -> Listing:
    """Return a listing that could be published, in any state; `changes` go to the listing or its posting."""
    own = {name: changes.pop(name) for name in ("hires", "history", "version") if name in changes}
    return Listing(
        id="int_01JD0000000000000000000000",
        company=COMPANY,
        posting=replace(POSTING, **changes),
        state=state,
        create_time=NOW,
        update_time=NOW,
        **own,
    )
