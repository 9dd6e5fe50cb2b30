"""Searches as the contract asks and answers them."""

from collections.abc import Iterator, Sequence
from typing import Any

from chassis.errors import Violation, invalid
from chassis.paging import page_size
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.derived import days_left
from services.internship.domain.model import WorkMode
from services.internship.search.highlight import Highlighter, distance_km
from services.internship.search.query import Circle, Dimension, Filters, Sort
from services.internship.search.text import key_of
from services.internship.service.finding import Found, Wanted
from services.internship.store.search import Answer, Count
from services.internship.wire import WORK_MODES, moment

DEFAULT_RADIUS_KM = 50

_SORTS = {
    pb.INTERNSHIP_SORT_RELEVANCE: Sort.RELEVANCE,
    pb.INTERNSHIP_SORT_NEWEST: Sort.NEWEST,
    pb.INTERNSHIP_SORT_DEADLINE: Sort.DEADLINE,
    pb.INTERNSHIP_SORT_PAY: Sort.PAY,
    pb.INTERNSHIP_SORT_DISTANCE: Sort.DISTANCE,
}


def wanted_of(request: pb.ListInternshipsRequest) -> Wanted:
    """The search that a request asks for. Raises INVALID_FIELD for filters that do not go together."""
    if wrong := list(_contradictions(request)):
        raise invalid(*wrong)
    return Wanted(
        text=request.q,
        filters=_filters(request),
        sort=_SORTS.get(request.sort),
        size=page_size(request.page_size),
        with_counts=request.with_facets,
    )


def _contradictions(request: pb.ListInternshipsRequest) -> Iterator[Violation]:
    if request.min_hourly_pay_minor and not request.currency:
        yield Violation("currency", "is needed with minHourlyPayMinor")
    if request.sort == pb.INTERNSHIP_SORT_PAY and not request.currency:
        yield Violation("currency", "is needed to sort by pay: amounts of several currencies do not compare")
    if 0 < request.max_duration_weeks < request.min_duration_weeks:
        yield Violation("maxDurationWeeks", "must not be below minDurationWeeks")
    if request.radius_km and not request.HasField("near_lat"):
        yield Violation("radiusKm", "needs nearLat and nearLng")


def _filters(request: pb.ListInternshipsRequest) -> Filters:
    return Filters(
        skills=tuple(key for skill in request.skills if (key := key_of(skill))),
        field=key_of(request.field),
        city=key_of(request.city),
        country=request.country,
        near=_circle(request),
        work_mode=WORK_MODES.of(WorkMode, request.work_mode),
        min_hourly_pay_minor=int(request.min_hourly_pay_minor),
        currency=request.currency,
        min_duration_weeks=request.min_duration_weeks,
        max_duration_weeks=request.max_duration_weeks,
        company_id=request.company_id,
        posted_since=moment(request, "posted_since"),
        deadline_after=moment(request, "deadline_after"),
    )


def _circle(request: pb.ListInternshipsRequest) -> Circle | None:
    if not request.HasField("near_lat"):
        return None
    return Circle(request.near_lat, request.near_lng, request.radius_km or DEFAULT_RADIUS_KM)


def response_of(found: Found, request: pb.ListInternshipsRequest) -> pb.ListInternshipsResponse:
    """The answer with what was found, without its page token."""
    highlighter = Highlighter(found.words)
    return pb.ListInternshipsResponse(
        data=[_hit(answer, found, request, highlighter) for answer in found.answers],
        facets=[_facet(dimension, counts) for dimension, counts in found.counts.items()],
        missing_shards=found.missing,
    )


def _hit(
    answer: Answer, found: Found, request: pb.ListInternshipsRequest, highlighter: Highlighter
) -> pb.InternshipHit:
    hit = pb.InternshipHit.FromString(answer.hit)
    hit.days_left = days_left(moment(hit, "apply_deadline"), found.now)
    hit.title_highlight = highlighter.marked(hit.title)
    hit.snippet = highlighter.passage(answer.description)
    circle = _circle(request)
    if circle is not None and (distances := list(_distances(hit, circle))):
        hit.distance_km = round(min(distances), 3)
    hit.match_reasons.extend(_reasons(hit, answer, request, highlighter))
    return hit


def _distances(hit: pb.InternshipHit, circle: Circle) -> Iterator[float]:
    for place in hit.locations:
        if place.HasField("lat") and place.HasField("lng"):
            yield distance_km(circle.lat, circle.lng, place.lat, place.lng)


def _reasons(
    hit: pb.InternshipHit, answer: Answer, request: pb.ListInternshipsRequest, highlighter: Highlighter
) -> list[str]:
    asked_skills = {key_of(skill) for skill in request.skills}
    asked_city = key_of(request.city)
    found_in = highlighter.found_in
    reasons = [f"title: {word}" for word in found_in(hit.title)]
    reasons += [
        f"skill: {skill.name}"
        for skill in hit.skills
        if key_of(skill.name) in asked_skills or found_in(skill.name)
    ]
    reasons += [f"company: {hit.company.name}"] if found_in(hit.company.name) else []
    if found_in(hit.field) or (request.field and key_of(request.field) == key_of(hit.field)):
        reasons.append(f"field: {hit.field}")
    reasons += [
        f"city: {place.city}"
        for place in hit.locations
        if place.city and (key_of(place.city) == asked_city or found_in(place.city))
    ]
    reasons += [f"description: {word}" for word in found_in(answer.description)[:3]]
    reasons += [f"{hit.distance_km:.0f} km away"] if request.HasField("near_lat") else []
    return list(dict.fromkeys(reasons))


def _facet(dimension: Dimension, counts: Sequence[Count]) -> pb.Facet:
    return pb.Facet(
        name=dimension.value,
        counts=[
            pb.FacetCount(value=_value(dimension, count), count=count.count, label=count.name)
            for count in counts
        ],
    )


def _value(dimension: Dimension, count: Count) -> Any:
    """What the filter takes: a company's ID, a work mode's name in the contract, else a spelling."""
    if dimension is Dimension.COMPANY:
        return count.key
    return f"WORK_MODE_{count.key}" if dimension is Dimension.WORK_MODE else count.name
