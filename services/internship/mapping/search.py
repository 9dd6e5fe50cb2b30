"""Searches, hits and index entries as the contract's messages."""

from collections.abc import Iterator, Sequence
from typing import Any

from chassis.errors import Violation, invalid_argument
from chassis.message_fields import read_timestamp
from chassis.page_tokens import clamp_page_size
from chassis.search.gazetteer import Gazetteer, distance_km
from chassis.search.query_messages import applied_filters_to_messages, match_kind_number, query_note
from chassis.search.text_analysis import name_key
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.derived import days_left
from services.internship.domain.model import WorkMode
from services.internship.mapping.listings import WORK_MODES, listing_from_message
from services.internship.search.highlight import Highlighter
from services.internship.search.index_entry import IndexEntry, build_index_entry, city_keys, location_points
from services.internship.search.phrases import PhraseKind
from services.internship.search.query import FacetDimension, GeoCircle, SearchFilters, SearchOrder
from services.internship.search.requests import FacetCount, SearchHit, SearchPage, SearchRequest
from services.internship.search.suggestions import Suggestion

_HIT_FIELDS = (
    "id",
    "title",
    "work_mode",
    "employment",
    "field",
    "duration_weeks",
    "effective_hourly_pay_minor",
    "apply_deadline_zone",
)
DEFAULT_RADIUS_KM = 50

_SUGGESTION_KINDS = {
    PhraseKind.TITLE: pb.SUGGESTION_KIND_TITLE,
    PhraseKind.SKILL: pb.SUGGESTION_KIND_SKILL,
    PhraseKind.COMPANY: pb.SUGGESTION_KIND_COMPANY,
    PhraseKind.PLACE: pb.SUGGESTION_KIND_PLACE,
}
_SORTS = {
    pb.INTERNSHIP_SORT_RELEVANCE: SearchOrder.RELEVANCE,
    pb.INTERNSHIP_SORT_NEWEST: SearchOrder.NEWEST,
    pb.INTERNSHIP_SORT_DEADLINE: SearchOrder.DEADLINE,
    pb.INTERNSHIP_SORT_PAY: SearchOrder.PAY,
    pb.INTERNSHIP_SORT_DISTANCE: SearchOrder.DISTANCE,
}


def index_entry_from_message(message: pb.Internship) -> IndexEntry:
    """Return the index entry of an open listing, as an event carries it."""
    listing = listing_from_message(message)
    return build_index_entry(listing, serialized_hit(message, location_points(listing.posting)))


def serialized_hit(message: pb.Internship, points: Sequence[tuple[float, float] | None]) -> bytes:
    """Return the hit of a listing, each location at its point (longitude, latitude) where there is one."""
    hit = pb.InternshipHit(
        company=message.company,
        locations=message.locations,
        skills=message.skills,
        **{name: getattr(message, name) for name in _HIT_FIELDS},
    )
    for location, point in zip(hit.locations, points, strict=True):
        if point is not None:
            location.lng, location.lat = point
    for name in ("compensation", "apply_deadline", "publish_time"):
        if message.HasField(name):
            getattr(hit, name).CopyFrom(getattr(message, name))
    return hit.SerializeToString()


def search_request_from_message(request: pb.ListInternshipsRequest, places: Gazetteer) -> SearchRequest:
    """Return the search that a request asks for. Raises INVALID_FIELD for conflicting filters."""
    if wrong := list(_filter_violations(request)):
        raise invalid_argument(*wrong)
    return SearchRequest(
        text=request.q,
        filters=_filters_from_message(request, places),
        sort=_SORTS.get(request.sort),
        size=clamp_page_size(request.page_size),
        with_counts=request.with_facets,
        is_literal=request.literal,
    )


def _filter_violations(request: pb.ListInternshipsRequest) -> Iterator[Violation]:
    if request.min_hourly_pay_minor and not request.currency:
        yield Violation("currency", "is needed with minHourlyPayMinor")
    if request.sort == pb.INTERNSHIP_SORT_PAY and not request.currency:
        yield Violation("currency", "is needed to sort by pay: amounts of several currencies do not compare")
    if 0 < request.max_duration_weeks < request.min_duration_weeks:
        yield Violation("maxDurationWeeks", "must not be below minDurationWeeks")
    if request.radius_km and not request.HasField("near_lat"):
        yield Violation("radiusKm", "needs nearLat and nearLng")


def _filters_from_message(request: pb.ListInternshipsRequest, places: Gazetteer) -> SearchFilters:
    return SearchFilters(
        skills=tuple(key for skill in request.skills if (key := name_key(skill))),
        field=name_key(request.field),
        cities=city_keys(request.city, request.country, places),
        country=request.country,
        near=_circle_from_message(request),
        work_mode=WORK_MODES.member_or_none(WorkMode, request.work_mode),
        min_hourly_pay_minor=int(request.min_hourly_pay_minor),
        currency=request.currency,
        min_duration_weeks=request.min_duration_weeks,
        max_duration_weeks=request.max_duration_weeks,
        company_id=request.company_id,
        posted_since=read_timestamp(request, "posted_since"),
        deadline_after=read_timestamp(request, "deadline_after"),
    )


def _circle_from_message(request: pb.ListInternshipsRequest) -> GeoCircle | None:
    if not request.HasField("near_lat"):
        return None
    return GeoCircle(request.near_lat, request.near_lng, request.radius_km or DEFAULT_RADIUS_KM)


def search_page_to_message(
    page: SearchPage, request: pb.ListInternshipsRequest, places: Gazetteer
) -> pb.ListInternshipsResponse:
    """Return the answer with the page's hits, without its page token."""
    reading = page.reading
    explainer = _HitExplainer(page, request, places)
    return pb.ListInternshipsResponse(
        data=[explainer.explain(hit) for hit in page.hits],
        facets=[_facet_message(dimension, counts) for dimension, counts in page.facets.items()],
        missing_shards=page.missing,
        applied_filters=applied_filters_to_messages(reading),
        match_kind=match_kind_number(reading, is_partial=page.is_partial),
        did_you_mean=reading.did_you_mean,
        total_size=page.total.size,
        total_is_estimate=page.total.is_estimate,
        note=query_note(reading),
    )


def suggestions_to_message(suggested: Sequence[Suggestion]) -> pb.SuggestInternshipsResponse:
    """Return the answer with the completions."""
    return pb.SuggestInternshipsResponse(
        suggestions=[
            pb.Suggestion(kind=_SUGGESTION_KINDS[each.phrase.kind], text=each.phrase.name, count=each.count)
            for each in suggested
        ]
    )


class _HitExplainer:
    """Makes the hits of one answer, each of which says why it matched."""

    def __init__(self, page: SearchPage, request: pb.ListInternshipsRequest, places: Gazetteer) -> None:
        self._now = page.now
        self._places = places
        self._highlighter = Highlighter(page.reading.terms)
        self._circle = _circle_from_message(request)
        self._skills = {name_key(skill) for skill in request.skills}
        meant = [meaning for word in page.reading.terms for meaning in word.filters]
        self._fields = {
            name_key(request.field),
            *(name_key(each.value) for each in meant if each.name == "field"),
        }
        self._cities = {
            *city_keys(request.city, request.country, places),
            *(each.term for each in meant if each.name == "city"),
        }

    def explain(self, match: SearchHit) -> pb.InternshipHit:
        hit = pb.InternshipHit.FromString(match.hit)
        hit.days_left = days_left(read_timestamp(hit, "apply_deadline"), self._now)
        hit.title_highlight = self._highlighter.highlight(hit.title)
        hit.snippet = self._highlighter.snippet(match.description)
        if self._circle is not None and (distances := list(_distances(hit, self._circle))):
            hit.distance_km = round(min(distances), 3)
        hit.match_reasons.extend(dict.fromkeys(self._reasons(hit, match)))
        return hit

    def _reasons(self, hit: pb.InternshipHit, match: SearchHit) -> Iterator[str]:
        matched_words = self._highlighter.matched_words
        yield from (f"title: {word}" for word in matched_words(hit.title))
        for skill in hit.skills:
            if name_key(skill.name) in self._skills or matched_words(skill.name):
                yield f"skill: {skill.name}"
        if matched_words(hit.company.name):
            yield f"company: {hit.company.name}"
        if hit.field and (matched_words(hit.field) or name_key(hit.field) in self._fields):
            yield f"field: {hit.field}"
        yield from (f"city: {place.city}" for place in hit.locations if self._is_asked(place))
        yield from (f"description: {word}" for word in matched_words(match.description)[:3])
        if self._circle is not None:
            yield f"{hit.distance_km:.0f} km away"

    def _is_asked(self, place: common.Location) -> bool:
        if not place.city:
            return False
        if self._highlighter.matched_words(place.city) or name_key(place.city) in self._cities:
            return True
        city = self._places.locate(place.city, place.region, place.country) if self._cities else None
        return city is not None and city.term in self._cities


def _distances(hit: pb.InternshipHit, circle: GeoCircle) -> Iterator[float]:
    for place in hit.locations:
        if place.HasField("lat") and place.HasField("lng"):
            yield distance_km(circle.lat, circle.lng, place.lat, place.lng)


def _facet_message(dimension: FacetDimension, counts: Sequence[FacetCount]) -> pb.Facet:
    return pb.Facet(
        name=dimension.value,
        counts=[
            pb.FacetCount(value=_facet_value(dimension, count), count=count.count, label=count.name)
            for count in counts
        ],
    )


def _facet_value(dimension: FacetDimension, count: FacetCount) -> Any:
    """Return the filter's value: a company's ID, a work mode's contract name, else a spelling."""
    if dimension is FacetDimension.COMPANY:
        return count.key
    return f"WORK_MODE_{count.key}" if dimension is FacetDimension.WORK_MODE else count.name
