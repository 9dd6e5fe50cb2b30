"""What the index keeps of an open listing."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.derived import hourly_pay_minor
from services.internship.domain.model import Place, Posting, WorkMode
from services.internship.wire import moment, to_posting

from .text import key_of, terms_of

TITLE, SKILL, COMPANY, FIELD, CITY, TEXT = 12, 10, 6, 6, 5, 1
"""How much a term counts by where it is found; a term found in several places counts for each."""

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
    impacts = _impacts(posting, message.company.name)
    return Entry(
        id=message.id,
        version=message.version,
        company=Named(key=message.company.id, name=message.company.name),
        terms=tuple(impacts),
        impacts=impacts,
        skills=_named(skill.name for skill in posting.skills),
        field=Named(key=key_of(posting.field), name=posting.field),
        cities=_named(place.city for place in posting.locations),
        countries=tuple({place.country: None for place in posting.locations if place.country}),
        work_mode=posting.work_mode,
        spots=tuple(_spots(posting.locations)),
        hourly_pay_minor=hourly_pay_minor(posting),
        currency=posting.compensation.currency if posting.compensation else "",
        duration_weeks=posting.duration_weeks,
        publish_time=moment(message, "publish_time"),
        apply_deadline=posting.apply_deadline,
        description=posting.description[:KEPT_TEXT],
        hit=_hit(message),
    )


def _impacts(posting: Posting, company: str) -> dict[str, int]:
    impacts: Counter[str] = Counter()
    for weight, texts in (
        (TITLE, (posting.title,)),
        (SKILL, (skill.name for skill in posting.skills)),
        (COMPANY, (company,)),
        (FIELD, (posting.field,)),
        (CITY, (place.city for place in posting.locations)),
        (TEXT, (posting.description, *posting.responsibilities, *posting.qualifications)),
    ):
        for term in terms_of("\n".join(texts)):
            impacts[term] += weight
    return dict(impacts)


def _named(names: Iterable[str]) -> tuple[Named, ...]:
    by_key = {key: name for name in names if (key := key_of(name))}
    return tuple(Named(key=key, name=name) for key, name in by_key.items())


def _spots(places: Iterable[Place]) -> Iterable[Spot]:
    for place in places:
        if place.lat is not None and place.lng is not None:
            yield Spot(at=Point(coordinates=(place.lng, place.lat)))


def _hit(message: pb.Internship) -> bytes:
    hit = pb.InternshipHit(
        company=message.company,
        locations=message.locations,
        skills=message.skills,
        **{name: getattr(message, name) for name in _SHOWN},
    )
    for name in ("compensation", "apply_deadline", "publish_time"):
        if message.HasField(name):
            getattr(hit, name).CopyFrom(getattr(message, name))
    return hit.SerializeToString()
