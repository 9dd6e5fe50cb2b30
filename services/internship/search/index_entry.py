"""The entry of an open listing in the search index."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chassis.search.gazetteer import Gazetteer, GazetteerEntry, shared_gazetteer
from chassis.search.quantity_words import quantity_terms
from chassis.search.synonyms import FIELD_TERMS, find_synonym_terms
from chassis.search.text_analysis import index_terms, name_key
from chassis.search.time_words import StartWindow
from services.internship.domain.derived import hourly_pay_minor
from services.internship.domain.model import (
    DateWindow,
    Employment,
    Listing,
    ListingLocation,
    Posting,
    WorkMode,
)
from services.internship.search.grammar import (
    FULL_TIME_TERM,
    HOURS_PREFIX,
    HYBRID_TERM,
    ON_SITE_TERM,
    PAID_TERM,
    PART_TIME_TERM,
    REMOTE_TERM,
    UNPAID_TERM,
    WEEKS_PREFIX,
)

INDEX_ENTRY_FORMAT: Final = 3
"""The format of stored entries; `SearchIndexRebuilder.upgrade_outdated` replaces those of another."""

TITLE_WEIGHT, SKILL_WEIGHT, COMPANY_WEIGHT, FIELD_WEIGHT, CITY_WEIGHT, TEXT_WEIGHT = 100, 40, 12, 12, 8, 2
"""The weight of a term by the place where it is found; one found in several places counts for each.

A title outweighs all other places together, a skill all but the title.
"""

MAX_NAMESAKES: Final = 20
"""Cities of one name that a filter by city includes."""

MAX_STORED_TEXT_CHARS: Final = 4_000
"""Letters of the description that are stored for snippets; all of it is indexed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedName:
    """A name and the key that its spellings share."""

    key: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoJsonPoint:
    """A GeoJSON point: longitude, latitude. MongoDB requires the type first."""

    type: str = "Point"
    coordinates: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedPoint:
    """One of several points; MongoDB indexes points in a list only as a field of a document."""

    at: GeoJsonPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """A listing in the index. `impacts` is the weight of each term, `hit` the serialized hit."""

    id: str
    version: int
    format: int
    title: KeyedName
    company: KeyedName
    terms: tuple[str, ...]
    impacts: dict[str, int]
    skills: tuple[KeyedName, ...]
    field: KeyedName
    cities: tuple[KeyedName, ...]
    countries: tuple[str, ...]
    work_mode: WorkMode | None
    spots: tuple[IndexedPoint, ...]
    hourly_pay_minor: int
    currency: str
    duration_weeks: int
    publish_time: datetime | None
    apply_deadline: datetime | None
    description: str
    hit: bytes


def build_index_entry(listing: Listing, hit: bytes) -> IndexEntry:
    """Return the index entry of an open listing; `hit` is its serialized hit."""
    posting = listing.posting
    places = _locate_cities(posting)
    impacts = _impacts(posting, listing.company.name, places)
    return IndexEntry(
        id=listing.id,
        version=listing.version,
        format=INDEX_ENTRY_FORMAT,
        title=KeyedName(key=name_key(posting.title), name=posting.title),
        company=KeyedName(key=listing.company.id, name=listing.company.name),
        terms=tuple(impacts),
        impacts=impacts,
        skills=_keyed_names((name_key(skill.name), skill.name) for skill in posting.skills),
        field=KeyedName(key=name_key(posting.field), name=posting.field),
        cities=_keyed_names((each.key, each.place.city) for each in places),
        countries=tuple({place.country: None for place in posting.locations if place.country}),
        work_mode=posting.work_mode,
        spots=tuple(spot for each in places for spot in each.spots),
        hourly_pay_minor=hourly_pay_minor(posting),
        currency=posting.compensation.currency if posting.compensation else "",
        duration_weeks=posting.duration_weeks,
        publish_time=listing.publish_time,
        apply_deadline=posting.apply_deadline,
        description=posting.description[:MAX_STORED_TEXT_CHARS],
        hit=hit,
    )


def location_points(posting: Posting) -> list[tuple[float, float] | None]:
    """Return longitude and latitude of each location, or None where unknown."""
    return [each.point for each in _locate_cities(posting)]


def _locate_cities(posting: Posting) -> list["_LocatedCity"]:
    return [_LocatedCity.locate(place, shared_gazetteer()) for place in posting.locations]


def city_keys(city: str, country: str, places: Gazetteer) -> tuple[str, ...]:
    """Return the keys of all cities of that name, or of an unknown name itself; () for ""."""
    if not name_key(city):
        return ()
    known = places.cities(city, country=country)
    return (*(found.term for found in known[:MAX_NAMESAKES]), name_key(city))


@dataclass(frozen=True, slots=True)
class _LocatedCity:
    """A location of a listing, and its city."""

    place: ListingLocation
    city: GazetteerEntry | None
    terms: tuple[str, ...]

    @classmethod
    def locate(cls, place: ListingLocation, places: Gazetteer) -> "_LocatedCity":
        city = places.locate(place.city, place.region, place.country) if place.city else None
        own = (city.term,) if city else ()
        return cls(place, city, (*own, *places.containing_terms(city, place.country)))

    @property
    def key(self) -> str:
        """The key that spellings of one city share."""
        return self.city.term if self.city else name_key(self.place.city)

    @property
    def text(self) -> str:
        """The place in words, with the name of a US city's state."""
        state = (
            shared_gazetteer().state_name(self.city.region) if self.city and self.city.country == "US" else ""
        )
        return "\n".join((self.place.city, self.city.name if self.city else "", self.place.region, state))

    @property
    def point(self) -> tuple[float, float] | None:
        """Longitude and latitude: the given ones, else the city's."""
        if self.place.lat is not None and self.place.lng is not None:
            return self.place.lng, self.place.lat
        return (self.city.lng, self.city.lat) if self.city else None

    @property
    def spots(self) -> tuple[IndexedPoint, ...]:
        """The points for searches by distance."""
        return () if self.point is None else (IndexedPoint(at=GeoJsonPoint(coordinates=self.point)),)


def _impacts(posting: Posting, company: str, places: Sequence[_LocatedCity]) -> dict[str, int]:
    impacts: Counter[str] = Counter()
    skills = [skill.name for skill in posting.skills]
    prose = "\n".join(_prose(posting))
    for weight, text in (
        (TITLE_WEIGHT, posting.title),
        (SKILL_WEIGHT, "\n".join(skills)),
        (COMPANY_WEIGHT, company),
        (FIELD_WEIGHT, posting.field),
        (CITY_WEIGHT, "\n".join(each.text for each in places)),
        (TEXT_WEIGHT, prose),
    ):
        for term in index_terms(text):
            impacts[term] += weight
    impacts.update(_name_impacts(posting, skills, prose))
    impacts.update(dict.fromkeys(_filter_terms(posting, places), TEXT_WEIGHT))
    return dict(impacts)


def _prose(posting: Posting) -> Iterator[str]:
    yield from (posting.description, *posting.responsibilities, *posting.qualifications)
    if posting.eligibility is not None:
        yield from (*posting.eligibility.school_years, *posting.eligibility.majors)


def _name_impacts(posting: Posting, skills: Sequence[str], prose: str) -> Counter[str]:
    """Return the weight of each name; fields are those that title, skills or the field itself name."""
    named: Counter[str] = Counter()
    by_place = ((TITLE_WEIGHT, [posting.title]), (SKILL_WEIGHT, skills), (FIELD_WEIGHT, [posting.field]))
    for weight, texts in by_place:
        for term in set().union(*map(find_synonym_terms, texts)):
            named[term] += weight
    for term in find_synonym_terms(prose, is_prose=True) - FIELD_TERMS:
        named[term] += TEXT_WEIGHT
    return named


def _filter_terms(posting: Posting, places: Sequence[_LocatedCity]) -> set[str]:
    """Return the terms of facts that words may filter by: place, work mode, start, duration and pay."""
    terms = {term for each in places for term in each.terms}
    if posting.work_mode is not None:
        terms.add(_WORK_MODE_TERMS[posting.work_mode])
    if posting.compensation is not None:
        terms.add(PAID_TERM if posting.compensation.paid else UNPAID_TERM)
    if posting.employment is not None:
        terms.add(_EMPLOYMENT_TERMS[posting.employment])
    terms.update(quantity_terms(WEEKS_PREFIX, posting.duration_weeks))
    terms.update(quantity_terms(HOURS_PREFIX, posting.hours_per_week))
    window = posting.start_window or DateWindow()
    for is_southern in {_is_southern(each) for each in places} or {False}:
        terms |= StartWindow(window.first, window.last, is_southern=is_southern).terms
    return terms


def _is_southern(place: _LocatedCity) -> bool:
    return place.point is not None and place.point[1] < 0


_WORK_MODE_TERMS: Final = {
    WorkMode.REMOTE: REMOTE_TERM,
    WorkMode.HYBRID: HYBRID_TERM,
    WorkMode.ON_SITE: ON_SITE_TERM,
}


_EMPLOYMENT_TERMS: Final = {
    Employment.FULL_TIME: FULL_TIME_TERM,
    Employment.PART_TIME: PART_TIME_TERM,
}


def _keyed_names(names: Iterable[tuple[str, str]]) -> tuple[KeyedName, ...]:
    by_key = {key: name for key, name in names if key}
    return tuple(KeyedName(key=key, name=name) for key, name in by_key.items())
