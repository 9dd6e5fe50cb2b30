"""What a posting must not say, and what follows from it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.internship.domain.derived import days_left, hourly_pay_minor, is_open_for_applications
from services.internship.domain.model import (
    Compensation,
    DateWindow,
    Eligibility,
    Employment,
    ListingLocation,
    ListingState,
    PayUnit,
    Question,
    QuestionKind,
    SkillNeed,
    WorkMode,
)
from services.internship.domain.rules import posting_violations, publishing_violations
from tests.unit.internship.samples import DEADLINE, NOW, POSTING, listing


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"compensation": Compensation(paid=True, min_minor=9, max_minor=5)}, "compensation.maxMinor"),
        ({"compensation": Compensation(min_minor=5)}, "compensation.paid"),
        ({"compensation": Compensation(paid=True, unpaid_basis="credit")}, "compensation.unpaidBasis"),
        ({"locations": (ListingLocation(city="Bonn", lat=50.7),)}, "locations[0]"),
        ({"locations": (ListingLocation(),)}, "locations[0]"),
        ({"apply_open_time": DEADLINE}, "applyDeadline"),
        ({"start_window": DateWindow(first="2027-02-30")}, "startWindow.from"),
        ({"start_window": DateWindow(first="2027-06-02", last="2027-06-01")}, "startWindow.to"),
        (
            {"eligibility": Eligibility(graduation_from="2028-01", graduation_to="2027-01")},
            "eligibility.graduationTo",
        ),
        ({"skills": (SkillNeed(name="SQL"), SkillNeed(name="sql"))}, "skills[1].name"),
        ({"questions": (Question(id="a", kind=QuestionKind.TEXT, text="?"),) * 2}, "questions[1].id"),
        (
            {"questions": (Question(id="a", kind=QuestionKind.SINGLE_CHOICE, text="?", choices=("x",)),)},
            "questions[0].choices",
        ),
        (
            {"questions": (Question(id="a", kind=QuestionKind.TEXT, text="?", choices=("x", "y")),)},
            "questions[0].choices",
        ),
    ],
)
def test_fields_that_contradict_each_other_are_named(changes: dict[str, Any], field: str) -> None:
    assert [wrong.field for wrong in posting_violations(replace(POSTING, **changes))] == [field]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"title": ""}, ["title"]),
        ({"description": "  "}, ["description"]),
        ({"work_mode": None}, ["workMode"]),
        ({"locations": ()}, ["locations"]),
        ({"locations": (ListingLocation(country="DE"),)}, ["locations"]),
        ({"locations": (), "work_mode": WorkMode.REMOTE}, []),
        ({"field": ""}, ["field"]),
        ({"duration_weeks": 0}, ["durationWeeks"]),
        ({"compensation": None}, ["compensation"]),
        ({"compensation": Compensation()}, ["compensation.unpaidBasis"]),
        ({"compensation": Compensation(unpaid_basis="course credit")}, []),
        (
            {"compensation": Compensation(paid=True)},
            ["compensation.minMinor", "compensation.currency", "compensation.unit"],
        ),
        ({"apply_deadline": None}, ["applyDeadline"]),
        ({"apply_deadline": NOW}, ["applyDeadline"]),
    ],
)
def test_publishing_needs_these_fields(changes: dict[str, Any], fields: list[str]) -> None:
    wanting = publishing_violations(replace(listing(), posting=replace(POSTING, **changes)), NOW)
    assert [wrong.field for wrong in wanting] == fields


@pytest.mark.parametrize(
    ("unit", "amount", "hours", "employment", "hourly"),
    [
        (PayUnit.HOUR, 1_550, 0, None, 1_550),
        (PayUnit.WEEK, 60_000, 30, None, 2_000),
        (PayUnit.MONTH, 200_000, 0, Employment.FULL_TIME, 1_154),
        (PayUnit.MONTH, 100_000, 0, Employment.PART_TIME, 1_154),
        (PayUnit.TOTAL, 480_000, 40, None, 1_000),
    ],
)
def test_pay_is_compared_by_the_hour(
    unit: PayUnit, amount: int, hours: int, employment: Employment | None, hourly: int
) -> None:
    pay = Compensation(paid=True, min_minor=amount, currency="EUR", unit=unit)
    posting = replace(POSTING, compensation=pay, hours_per_week=hours, employment=employment)
    assert hourly_pay_minor(posting) == hourly


def test_unpaid_and_unknown_pay_count_as_nothing() -> None:
    assert hourly_pay_minor(replace(POSTING, compensation=Compensation(unpaid_basis="credit"))) == 0
    total = Compensation(paid=True, min_minor=5, currency="EUR", unit=PayUnit.TOTAL)
    assert hourly_pay_minor(replace(POSTING, compensation=total, duration_weeks=0)) == 0


def test_a_started_day_counts_as_one_left() -> None:
    assert days_left(DEADLINE, NOW) == 14
    assert days_left(DEADLINE, NOW + timedelta(seconds=1)) == 14
    assert days_left(DEADLINE, DEADLINE - timedelta(seconds=1)) == 1
    assert days_left(DEADLINE, DEADLINE) == 0
    assert days_left(None, NOW) == 0


def test_one_can_apply_from_the_opening_until_just_before_the_deadline() -> None:
    opens = NOW + timedelta(days=1)
    waiting = listing(ListingState.OPEN, apply_open_time=opens)
    assert not is_open_for_applications(waiting, NOW)
    assert is_open_for_applications(waiting, opens)
    assert not is_open_for_applications(waiting, DEADLINE)
    assert not is_open_for_applications(listing(ListingState.PAUSED), NOW)
