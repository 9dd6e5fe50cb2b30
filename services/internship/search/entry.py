"""What the index keeps of an open listing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chassis.search.names import FIELD_TERMS, names_in
from chassis.search.places import FoundPlace, Gazetteer, gazetteer
from chassis.search.text import key_of, terms_of
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.derived import hourly_pay_minor
from services.internship.domain.model import Place, Posting, WorkMode
from services.internship.wire import moment, to_posting

from .words import HYBRID, ON_SITE, PAID, REMOTE, UNPAID

FORMAT: Final = 2
"""Of what is stored; what is stored in another is made anew (`Reindexing.renew`)."""

TITLE, SKILL, COMPANY, FIELD, CITY, TEXT = 100, 40, 12, 12, 8, 2
"""How much a term counts by where it is found; a term found in several places counts for each. A title says
more than all other places together, a skill more than all but the title."""

MAX_NAMESAKES: Final = 20
"""Cities of one name that a filter by city stands for."""

KEPT_TEXT: Final = 4_000
"""Letters of the description from which passages are shown; all of it is searched."""

_SHOWN: Final = (
    "id",
    "title",
    "work_mode",
    "employment",
    "field",
    "duration_weeks",
    "effective_hourly_pay_minor",
    "apply_deadline_zone",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A name and what its spellings have in common."""

    key: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A GeoJSON point: longitude, latitude. MongoDB wants the type first."""

    type: str = "Point"
    coordinates: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One of several points; MongoDB indexes points in a list only as a field of something."""

    at: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A listing in the index. `impacts` says how much each term counts, `hit` is the serialized answer."""

    id: str
    version: int
    format: int
    title: Named
    company: Named
    terms: tuple[str, ...]
    impacts: dict[str, int]
    skills: tuple[Named, ...]
    field: Named
    cities: tuple[Named, ...]
    countries: tuple[str, ...]
    work_mode: WorkMode | None
    spots: tuple[Spot, ...]
    hourly_pay_minor: int
    currency: str
    duration_weeks: int
    publish_time: datetime | None
    apply_deadline: datetime | None
    description: str
    hit: bytes


def entry_of(message: pb.Internship) -> Entry:
    """The index entry of an open listing, as an event tells of it."""
    posting = to_posting(message)
    places = [_Located.of(place, gazetteer()) for place in posting.locations]
    impacts = _impacts(posting, message.company.name, places)
    return Entry(
        id=message.id,
        version=message.version,
        format=FORMAT,
        title=Named(key=key_of(posting.title), name=posting.title),
        company=Named(key=message.company.id, name=message.company.name),
        terms=tuple(impacts),
        impacts=impacts,
        skills=_named((key_of(skill.name), skill.name) for skill in posting.skills),
        field=Named(key=key_of(posting.field), name=posting.field),
        cities=_named((each.key, each.place.city) for each in places),
        countries=tuple({place.country: None for place in posting.locations if place.country}),
        work_mode=posting.work_mode,
        spots=tuple(spot for each in places for spot in each.spots),
        hourly_pay_minor=hourly_pay_minor(posting),
        currency=posting.compensation.currency if posting.compensation else "",
        duration_weeks=posting.duration_weeks,
        publish_time=moment(message, "publish_time"),
        apply_deadline=posting.apply_deadline,
        description=posting.description[:KEPT_TEXT],
        hit=_hit(message, places),
    )


def city_keys(city: str, country: str, places: Gazetteer) -> tuple[str, ...]:
    """The keys of all cities of that name, and of the name itself for those that nobody knows; () for ""."""
    if not key_of(city):
        return ()
    known = places.cities(city, country=country)
    return (*(found.term for found in known[:MAX_NAMESAKES]), key_of(city))


@dataclass(frozen=True, slots=True)
class _Located:
    """A location of a listing, and the city that it means."""

    place: Place
    city: FoundPlace | None
    terms: tuple[str, ...]

    @classmethod
    def of(cls, place: Place, places: Gazetteer) -> "_Located":
        city = places.locate(place.city, place.region, place.country) if place.city else None
        own = (city.term,) if city else ()
        return cls(place, city, (*own, *places.lands_of(city, place.country)))

    @property
    def key(self) -> str:
        """What spellings of one city have in common."""
        return self.city.term if self.city else key_of(self.place.city)

    @property
    def text(self) -> str:
        """The place in words, the state that a US city lies in by its name."""
        state = gazetteer().state_name(self.city.region) if self.city and self.city.country == "US" else ""
        return "\n".join((self.place.city, self.city.name if self.city else "", self.place.region, state))

    @property
    def point(self) -> tuple[float, float] | None:
        """Longitude and latitude: those that were given, else the city's."""
        if self.place.lat is not None and self.place.lng is not None:
            return self.place.lng, self.place.lat
        return (self.city.lng, self.city.lat) if self.city else None

    @property
    def spots(self) -> tuple[Spot, ...]:
        """Where it is searched around."""
        return () if self.point is None else (Spot(at=Point(coordinates=self.point)),)


def _impacts(posting: Posting, company: str, places: Sequence[_Located]) -> dict[str, int]:
    impacts: Counter[str] = Counter()
    skills = [skill.name for skill in posting.skills]
    prose = "\n".join((posting.description, *posting.responsibilities, *posting.qualifications))
    for weight, text in (
        (TITLE, posting.title),
        (SKILL, "\n".join(skills)),
        (COMPANY, company),
        (FIELD, posting.field),
        (CITY, "\n".join(each.text for each in places)),
        (TEXT, prose),
    ):
        for term in terms_of(text):
            impacts[term] += weight
    impacts.update(_names(posting, skills, prose))
    impacts.update(dict.fromkeys(_filter_terms(posting, places), TEXT))
    return dict(impacts)


def _names(posting: Posting, skills: Sequence[str], prose: str) -> Counter[str]:
    """How much each name counts; fields are those that title, skills or the field itself name."""
    named: Counter[str] = Counter()
    by_place = ((TITLE, [posting.title]), (SKILL, skills), (FIELD, [posting.field]))
    for weight, texts in by_place:
        for term in set().union(*map(names_in, texts)):
            named[term] += weight
    for term in names_in(prose, is_prose=True) - FIELD_TERMS:
        named[term] += TEXT
    return named


def _filter_terms(posting: Posting, places: Sequence[_Located]) -> set[str]:
    """The terms of facts that words may ask for as filters: where, how and for what pay."""
    terms = {term for each in places for term in each.terms}
    if posting.work_mode is not None:
        terms.add(_MODES[posting.work_mode])
    if posting.compensation is not None:
        terms.add(PAID if posting.compensation.paid else UNPAID)
    return terms


_MODES: Final = {WorkMode.REMOTE: REMOTE, WorkMode.HYBRID: HYBRID, WorkMode.ON_SITE: ON_SITE}


def _named(names: Iterable[tuple[str, str]]) -> tuple[Named, ...]:
    by_key = {key: name for key, name in names if key}
    return tuple(Named(key=key, name=name) for key, name in by_key.items())


def _hit(message: pb.Internship, places: Sequence[_Located]) -> bytes:
    hit = pb.InternshipHit(
        company=message.company,
        locations=message.locations,
        skills=message.skills,
        **{name: getattr(message, name) for name in _SHOWN},
    )
    for location, place in zip(hit.locations, places, strict=True):
        if place.point is not None:
            location.lng, location.lat = place.point
    for name in ("compensation", "apply_deadline", "publish_time"):
        if message.HasField(name):
            getattr(hit, name).CopyFrom(getattr(message, name))
    return hit.SerializeToString()
