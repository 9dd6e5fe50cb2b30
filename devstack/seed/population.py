"""The content of a seeded stack: generated from one number, without I/O.

One number always gives the same companies, students and listings, and the same course of every application;
only their dates depend on the day of seeding.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from devstack.seed import wording
from devstack.seed.places import SEED_COUNTRIES, SeedCity, draw_city, make_company_names, make_person_name
from devstack.seed.trades import TRADES, Trade
from devstack.seed.wording import SeedQuestion

SEED_EMAIL_DOMAIN: Final = "seed.example.com"
SHOWCASE_LISTINGS: Final = 4
"""The number of first listings that belong to the first company and are open: its pages show everything."""
SHOWCASE_INTERVAL: Final = 40
HISTORY_SPAN: Final = timedelta(days=60)


class ListingOutcome(StrEnum):
    """The fate of a seeded listing after its applications."""

    OPEN = "OPEN"
    PAUSED = "PAUSED"
    CLOSED = "CLOSED"
    DRAFT = "DRAFT"


@dataclass(frozen=True)
class SeedCompany:
    """A company and its owner."""

    email: str
    owner: str
    name: str
    url: str
    about: str
    city: SeedCity
    trades: tuple[Trade, ...]


@dataclass(frozen=True)
class SeedStudent:
    """A student."""

    email: str
    name: str
    headline: str
    city: SeedCity
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
    city: SeedCity
    work_mode: str
    paid: bool
    monthly_pay_minor: int
    currency: str
    duration_weeks: int
    hours_per_week: int
    openings: int
    age: timedelta
    days_until_deadline: int
    outcome: ListingOutcome
    responsibilities: tuple[str, ...]
    qualifications: tuple[str, ...]
    questions: tuple[SeedQuestion, ...]
    documents: tuple[str, ...]
    school_years: tuple[str, ...]
    days_until_start: int
    respond_within_days: int


class SeedIntake(NamedTuple):
    """What applications for a listing depend on."""

    outcome: ListingOutcome
    days_until_deadline: int
    openings: int


@dataclass(frozen=True)
class SeedApplication:
    """An application of a student for a listing, by their indices, and the states that it passes.

    `pauses` are shares of the available time: before it was sent, and between its states. `onlookers` are
    students who read the listing without applying.
    """

    student: int
    listing: int
    course: tuple[str, ...]
    pauses: tuple[float, ...]
    onlookers: tuple[int, ...]


# The weights of the courses of applications; every state is the last of some.
APPLICATION_COURSES: Final[tuple[tuple[int, tuple[str, ...]], ...]] = (
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
    """The whole population, by index, from one number."""

    def __init__(
        self,
        number: int,
        *,
        companies: int,
        students: int,
        listings: int,
        email_domain: str = SEED_EMAIL_DOMAIN,
    ) -> None:
        self.number = number
        self._email_domain = email_domain
        self._names = make_company_names(self._random("names"), companies)
        self.companies = [self._company(index) for index in range(companies)]
        self.student_count = students
        self.listing_count = listings

    def students(self) -> Iterator[SeedStudent]:
        """Yield all students, in order."""
        return (self.student(index) for index in range(self.student_count))

    def listings(self) -> Iterator[SeedListing]:
        """Yield all listings, in order."""
        return (self.listing(index) for index in range(self.listing_count))

    def intakes(self) -> list[SeedIntake]:
        """Return what applications depend on, of all listings, in order: that is little enough to keep."""
        return [SeedIntake(each.outcome, each.days_until_deadline, each.openings) for each in self.listings()]

    def applications(
        self, count: int, listings: Sequence[SeedIntake | SeedListing]
    ) -> Iterator[SeedApplication]:
        """Yield applications for listings that take them, no student twice for the same one."""
        dice = self._random("applications")
        taking = [
            index
            for index, listing in enumerate(listings)
            if listing.outcome is not ListingOutcome.DRAFT and listing.days_until_deadline > 0
        ]
        courses = [course for weight, course in APPLICATION_COURSES for _ in range(weight)]
        seen: set[tuple[int, int]] = set()
        free = {index: listings[index].openings for index in taking}
        shown = [(index, course) for index in taking[:1] for _, course in APPLICATION_COURSES]
        # Popular listings are few: squaring draws most applications to the first of them.
        while taking and len(seen) < min(count, self.student_count * len(taking)):
            listing = shown[0][0] if shown else taking[int(dice.random() ** 2 * len(taking))]
            pair = (dice.randrange(self.student_count), listing)
            if pair in seen:
                continue
            seen.add(pair)
            course = shown.pop(0)[1] if shown else dice.choice(courses)
            if course[-1] == "HIRED":
                if not free[listing] > 1:
                    course = course[:-1]
                else:
                    free[listing] -= 1
            pauses = tuple(dice.expovariate(1.0) + 0.05 for _ in range(len(course) + 1))
            onlookers = tuple(dice.randrange(self.student_count) for _ in range(dice.randint(0, 4)))
            yield SeedApplication(*pair, course, pauses, onlookers)

    def _random(self, *about: object) -> random.Random:
        return random.Random(f"{self.number}:{about}")  # noqa: S311 - reproducible on purpose

    def _company(self, index: int) -> SeedCompany:
        dice = self._random("company", index)
        name = self._names[index]
        trades = tuple(dice.sample(TRADES, dice.randint(1, 3)))
        city = draw_city(dice)
        fields = " and ".join(trade.field.lower() for trade in trades)
        return SeedCompany(
            email=f"company-{index + 1}@{self._email_domain}",
            owner=make_person_name(city.country, f"{self.number}:company:{index}"),
            name=name,
            url=f"https://company-{index + 1}.example.com",
            about=f"{name} from {city.name} does {fields}. Interns work on the real thing, with a mentor.",
            city=city,
            trades=trades,
        )

    def student(self, index: int) -> SeedStudent:
        """Return the student of this index."""
        dice = self._random("student", index)
        trade, city = dice.choice(TRADES), draw_city(dice)
        major = dice.choice(trade.majors)
        return SeedStudent(
            email=f"student-{index + 1}@{self._email_domain}",
            name=make_person_name(city.country, f"{self.number}:student:{index}"),
            headline=f"{major} student who likes to {dice.choice(trade.tasks)}",
            city=city,
            trade=trade,
            skills=tuple(dice.sample(trade.skills, dice.randint(2, 5))),
            school=f"University of {city.name}",
            searchable=dice.random() < 0.6,
        )

    def listing(self, index: int) -> SeedListing:
        """Return the listing of this index."""
        dice = self._random("listing", index)
        is_shown = index < SHOWCASE_LISTINGS
        company = 0 if is_shown or index % SHOWCASE_INTERVAL == 0 else dice.randrange(len(self.companies))
        owner = self.companies[company]
        trade = dice.choice(owner.trades)
        city = owner.city if is_shown or dice.random() < 0.6 else draw_city(dice)
        skills = tuple(dice.sample(trade.skills, dice.randint(2, 4)))
        role, country = dice.choice(trade.roles), SEED_COUNTRIES[city.country]
        ends_in = dice.randint(5, 90)
        return SeedListing(
            company=company,
            title=f"{role} ({skills[0]})" if dice.random() < 0.5 else role,
            description=wording.draft_description(dice, owner.name, trade, skills, city),
            trade=trade,
            skills=skills,
            city=city,
            work_mode=dice.choices(("ON_SITE", "HYBRID", "REMOTE"), (4, 4, 2))[0],
            paid=dice.random() < 0.9,
            monthly_pay_minor=int(country.monthly_pay_minor * dice.uniform(0.7, 1.6)) // 1000 * 1000,
            currency=country.currency,
            duration_weeks=dice.choice((8, 10, 12, 16, 20, 24, 26, 52)),
            hours_per_week=dice.choice((20, 30, 35, 40)),
            openings=5 if is_shown else dice.choice((1, 1, 1, 2, 3, 5)),
            age=HISTORY_SPAN * (1.0 if is_shown else dice.uniform(0.1, 1.0)),
            days_until_deadline=-2 if dice.random() < 0.03 and not is_shown else ends_in,
            outcome=ListingOutcome.OPEN
            if is_shown
            else dice.choices(tuple(ListingOutcome), (88, 4, 4, 4))[0],
            responsibilities=wording.draft_responsibilities(dice, trade),
            qualifications=wording.draft_qualifications(dice, trade, skills),
            questions=wording.draft_questions(dice),
            documents=dice.choice((("CV",), ("CV", "Transcript"), ("CV", "Cover letter"), ())),
            school_years=dice.choice(((), ("2nd year", "3rd year"), ("Bachelor", "Master"))),
            days_until_start=ends_in + dice.randint(20, 90),
            respond_within_days=dice.choice((21, 30)),
        )


def spread_times(start: datetime, end: datetime, pauses: Sequence[float]) -> list[datetime]:
    """Return times between `start` and `end`: one after each pause but the last; pauses are proportions."""
    whole, passed, found = sum(pauses), 0.0, []
    for pause in pauses[:-1]:
        passed += pause
        found.append(start + (end - start) * (passed / whole))
    return found
