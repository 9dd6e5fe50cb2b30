"""Searches as the contract asks and answers them."""

from collections.abc import Iterator, Sequence
from typing import Any

from chassis.errors import Violation, invalid
from chassis.paging import page_size
from chassis.search.places import Gazetteer, distance_km
from chassis.search.reading import Reading
from chassis.search.text import key_of
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.derived import days_left
from services.internship.domain.model import WorkMode
from services.internship.search.entry import city_keys
from services.internship.search.highlight import Highlighter
from services.internship.search.phrases import PhraseKind
from services.internship.search.query import Circle, Dimension, Filters, Sort
from services.internship.service.finding import Found, Wanted
from services.internship.service.suggesting import Suggested
from services.internship.store.search import Answer, Count
from services.internship.wire import WORK_MODES, moment

DEFAULT_RADIUS_KM = 50
NOTHING_TO_LOOK_FOR = "q holds no word that could be looked for: type letters or digits"

_KINDS = {
    PhraseKind.TITLE: pb.SUGGESTION_KIND_TITLE,
    PhraseKind.SKILL: pb.SUGGESTION_KIND_SKILL,
    PhraseKind.COMPANY: pb.SUGGESTION_KIND_COMPANY,
    PhraseKind.PLACE: pb.SUGGESTION_KIND_PLACE,
}
_SORTS = {
    pb.INTERNSHIP_SORT_RELEVANCE: Sort.RELEVANCE,
    pb.INTERNSHIP_SORT_NEWEST: Sort.NEWEST,
    pb.INTERNSHIP_SORT_DEADLINE: Sort.DEADLINE,
    pb.INTERNSHIP_SORT_PAY: Sort.PAY,
    pb.INTERNSHIP_SORT_DISTANCE: Sort.DISTANCE,
}


def wanted_of(request: pb.ListInternshipsRequest, places: Gazetteer) -> Wanted:
    """The search that a request asks for. Raises INVALID_FIELD for filters that do not go together."""
    if wrong := list(_contradictions(request)):
        raise invalid(*wrong)
    return Wanted(
        text=request.q,
        filters=_filters(request, places),
        sort=_SORTS.get(request.sort),
        size=page_size(request.page_size),
        with_counts=request.with_facets,
        is_literal=request.literal,
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


def _filters(request: pb.ListInternshipsRequest, places: Gazetteer) -> Filters:
    return Filters(
        skills=tuple(key for skill in request.skills if (key := key_of(skill))),
        field=key_of(request.field),
        cities=city_keys(request.city, request.country, places),
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


def response_of(
    found: Found, request: pb.ListInternshipsRequest, places: Gazetteer
) -> pb.ListInternshipsResponse:
    """The answer with what was found, without its page token."""
    reading = found.reading
    explaining = _Explaining(found, request, places)
    return pb.ListInternshipsResponse(
        data=[explaining.hit(answer) for answer in found.answers],
        facets=[_facet(dimension, counts) for dimension, counts in found.counts.items()],
        missing_shards=found.missing,
        applied_filters=_applied_filters(reading),
        match_kind=_match_kind(found),
        did_you_mean=reading.did_you_mean,
        total_size=found.total.size,
        total_is_estimate=found.total.is_estimate,
        note=NOTHING_TO_LOOK_FOR if reading.is_empty else "",
    )


def _applied_filters(reading: Reading) -> list[common.AppliedFilter]:
    return [
        common.AppliedFilter(name=meaning.name, value=meaning.value, text=word.text)
        for word in reading.words
        for meaning in word.means
    ]


def _match_kind(found: Found) -> "common.MatchKind.ValueType":
    if found.is_partial:
        return common.MATCH_KIND_PARTIAL
    return common.MATCH_KIND_ALL if found.reading.demanded else common.MATCH_KIND_UNSPECIFIED


def suggestions_of(suggested: Sequence[Suggested]) -> pb.SuggestInternshipsResponse:
    """The answer with the completions."""
    return pb.SuggestInternshipsResponse(
        suggestions=[
            pb.Suggestion(kind=_KINDS[each.phrase.kind], text=each.phrase.name, count=each.count)
            for each in suggested
        ]
    )


class _Explaining:
    """Makes the hits of one answer, each of which says why it matched."""

    def __init__(self, found: Found, request: pb.ListInternshipsRequest, places: Gazetteer) -> None:
        self._now = found.now
        self._places = places
        self._highlighter = Highlighter(found.reading.words)
        self._circle = _circle(request)
        self._skills = {key_of(skill) for skill in request.skills}
        meant = [meaning for word in found.reading.words for meaning in word.means]
        self._fields = {
            key_of(request.field),
            *(key_of(each.value) for each in meant if each.name == "field"),
        }
        self._cities = {
            *city_keys(request.city, request.country, places),
            *(each.term for each in meant if each.name == "city"),
        }

    def hit(self, answer: Answer) -> pb.InternshipHit:
        hit = pb.InternshipHit.FromString(answer.hit)
        hit.days_left = days_left(moment(hit, "apply_deadline"), self._now)
        hit.title_highlight = self._highlighter.marked(hit.title)
        hit.snippet = self._highlighter.passage(answer.description)
        if self._circle is not None and (distances := list(_distances(hit, self._circle))):
            hit.distance_km = round(min(distances), 3)
        hit.match_reasons.extend(dict.fromkeys(self._reasons(hit, answer)))
        return hit

    def _reasons(self, hit: pb.InternshipHit, answer: Answer) -> Iterator[str]:
        found_in = self._highlighter.found_in
        yield from (f"title: {word}" for word in found_in(hit.title))
        for skill in hit.skills:
            if key_of(skill.name) in self._skills or found_in(skill.name):
                yield f"skill: {skill.name}"
        if found_in(hit.company.name):
            yield f"company: {hit.company.name}"
        if hit.field and (found_in(hit.field) or key_of(hit.field) in self._fields):
            yield f"field: {hit.field}"
        yield from (f"city: {place.city}" for place in hit.locations if self._is_asked(place))
        yield from (f"description: {word}" for word in found_in(answer.description)[:3])
        if self._circle is not None:
            yield f"{hit.distance_km:.0f} km away"

    def _is_asked(self, place: common.Location) -> bool:
        if not place.city:
            return False
        if self._highlighter.found_in(place.city) or key_of(place.city) in self._cities:
            return True
        city = self._places.locate(place.city, place.region, place.country) if self._cities else None
        return city is not None and city.term in self._cities


def _distances(hit: pb.InternshipHit, circle: Circle) -> Iterator[float]:
    for place in hit.locations:
        if place.HasField("lat") and place.HasField("lng"):
            yield distance_km(circle.lat, circle.lng, place.lat, place.lng)


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
