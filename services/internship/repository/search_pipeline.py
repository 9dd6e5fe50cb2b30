"""The aggregations of one shard's index: pure, without I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chassis.mongo.documents import Document
from chassis.search.gazetteer import EARTH_RADIUS_KM
from chassis.search.query_parser import QueryTerm
from chassis.search.totals import MAX_COUNTED_MATCHES
from services.internship.repository.search_collection import (
    CITY_INDEX,
    COMPANY_INDEX,
    DEADLINE_INDEX,
    FIELD_INDEX,
    NEWEST_INDEX,
    PAY_INDEX,
    POINTS_INDEX,
    SKILL_INDEX,
    TERMS_INDEX,
)
from services.internship.search.company_cap import SortKey
from services.internship.search.query import (
    FacetDimension,
    GeoCircle,
    SearchFilters,
    SearchOrder,
    SearchQuery,
)

MAX_RANKED_MATCHES: Final = 5_000
"""The newest matches of one shard, which alone are ranked by relevance and counted: this bounds queries of
frequent words."""
MAX_FACET_VALUES: Final = 500
"""Values of one dimension that one shard counts."""

MAX_TERMS: Final = 300_000
MAX_PHRASES: Final = 20_000
"""Phrases of one kind that one shard counts."""

RANK_FIELD: Final = "rank"
MATCHED_FIELD: Final = "matched"
MATCHED_WORD_SCORE: Final = 10**12
"""The score of one more matched word when not all have to match: more than the scores of all words."""
_NEWEST_STAGES: Final = ({"$sort": {"publish_time": -1}}, {"$limit": MAX_RANKED_MATCHES})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SORTED_BY: Final[Mapping[SearchOrder, str]] = {
    SearchOrder.NEWEST: "publish_time",
    SearchOrder.DEADLINE: "apply_deadline",
    SearchOrder.PAY: "hourly_pay_minor",
    SearchOrder.RELEVANCE: RANK_FIELD,
    SearchOrder.DISTANCE: RANK_FIELD,
}
_TIME_FIELDS: Final = frozenset({"publish_time", "apply_deadline"})


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A part of the order: after one key, up to and including another, without some companies."""

    after: SortKey | None = None
    until: SortKey | None = None
    without: frozenset[str] = frozenset()


def match_pipeline(query: SearchQuery, part: KeyRange, limit: int, now: datetime) -> list[Document]:
    """Return the aggregation that lists the matches of a part of the order."""
    by, direction = _SORTED_BY[query.sort], -1 if query.sort.is_descending else 1
    in_part = _range_conditions(part, by, descending=query.sort.is_descending)
    narrower = [*_without_companies(part.without), *(in_part if by != RANK_FIELD else ())]
    return [
        *_match_stages(query, now, narrower),
        *(_rank_stages(query) if by == RANK_FIELD else ()),
        *([{"$match": {"$and": in_part}}] if by == RANK_FIELD and in_part else ()),
        {"$sort": {by: direction, "_id": direction}},
        {"$limit": limit},
        {"$project": {"company.key": True, "key": {"$toLong": f"${by}"}}},
    ]


def choose_index(query: SearchQuery) -> str:
    """Return the name of the index that narrows a query best."""
    filters = query.filters
    asked = {
        COMPANY_INDEX: filters.company_id,
        TERMS_INDEX: query.required_words,
        POINTS_INDEX: filters.near,
        SKILL_INDEX: filters.skills,
        CITY_INDEX: filters.cities,
        FIELD_INDEX: filters.field,
    }
    sorted_by = {SearchOrder.DEADLINE: DEADLINE_INDEX, SearchOrder.PAY: PAY_INDEX}
    return next((name for name, value in asked.items() if value), sorted_by.get(query.sort, NEWEST_INDEX))


def _match_stages(query: SearchQuery, now: datetime, narrower: Sequence[Document] = ()) -> list[Document]:
    """Return the stages that keep only matches."""
    conditions = [{"apply_deadline": {"$gt": now}}, *_filter_conditions(query.filters), *narrower]
    if not query.min_words:
        return [{"$match": {"$and": [*_word_conditions(query.required_words), *conditions]}}]
    any_word = {"terms": {"$in": [term for word in query.required_words for term in word.qualities]}}
    matched = {"$add": [{"$cond": [{"$gt": [_best_impact(word), 0]}, 1, 0]} for word in query.required_words]}
    return [
        {"$match": {"$and": [any_word, *conditions]}},
        *_NEWEST_STAGES,
        {"$set": {MATCHED_FIELD: matched}},
        {"$match": {MATCHED_FIELD: {"$gte": query.min_words}}},
    ]


def _word_conditions(words: Sequence[QueryTerm]) -> list[Document]:
    rarest_first = sorted(words, key=lambda word: word.document_count)
    return [{"terms": {"$in": list(word.qualities)}} for word in rarest_first]


def _filter_conditions(filters: SearchFilters) -> list[Document]:
    asked: tuple[tuple[Any, Document], ...] = (
        (filters.skills, {"skills.key": {"$all": list(filters.skills)}}),
        (filters.field, {"field.key": filters.field}),
        (filters.cities, {"cities.key": {"$in": list(filters.cities)}}),
        (filters.country, {"countries": filters.country}),
        (filters.near, {"spots.at": filters.near and _within_circle(filters.near)}),
        (filters.work_mode, {"work_mode": filters.work_mode and filters.work_mode.value}),
        (filters.min_hourly_pay_minor, {"hourly_pay_minor": {"$gte": filters.min_hourly_pay_minor}}),
        (filters.currency, {"currency": filters.currency}),
        (filters.min_duration_weeks, {"duration_weeks": {"$gte": filters.min_duration_weeks}}),
        (filters.max_duration_weeks, {"duration_weeks": {"$lte": filters.max_duration_weeks}}),
        (filters.company_id, {"company.key": filters.company_id}),
        (filters.posted_since, {"publish_time": {"$gte": filters.posted_since}}),
        (filters.deadline_after, {"apply_deadline": {"$gt": filters.deadline_after}}),
    )
    return [condition for wanted, condition in asked if wanted]


def _within_circle(circle: GeoCircle) -> Document:
    return {"$geoWithin": {"$centerSphere": [[circle.lng, circle.lat], circle.radius_km / EARTH_RADIUS_KM]}}


def _without_companies(companies: Iterable[str]) -> list[Document]:
    names = sorted(companies)
    return [{"company.key": {"$nin": names}}] if names else []


def _range_conditions(part: KeyRange, by: str, *, descending: bool) -> list[Document]:
    onward, back = ("$lt", "$gt") if descending else ("$gt", "$lt")
    conditions = []
    if part.after is not None:
        conditions += _beyond_key(part.after, by, onward, onward)
    if part.until is not None:
        conditions += _beyond_key(part.until, by, back, f"{back}e")
    return conditions


def _beyond_key(key: SortKey, by: str, comparison: str, tie: str) -> list[Document]:
    value: Any = _EPOCH + timedelta(milliseconds=key[0]) if by in _TIME_FIELDS else key[0]
    return [
        {by: {f"{comparison}e": value}},
        {"$or": [{by: {comparison: value}}, {by: value, "_id": {tie: key[1]}}]},
    ]


def _rank_stages(query: SearchQuery) -> list[Document]:
    if query.sort is SearchOrder.DISTANCE and query.filters.near is not None:
        return [_rank_stage(_nearest_m(query.filters.near))]
    parts = [_word_score(word) for word in query.words if word.affects_ranking]
    if query.min_words:
        return [_rank_stage({"$add": [{"$multiply": [f"${MATCHED_FIELD}", MATCHED_WORD_SCORE]}, *parts]})]
    score = _rank_stage({"$add": parts})
    demanded = query.required_words
    if demanded and min(word.document_count for word in demanded) <= MAX_RANKED_MATCHES:
        return [score]
    return [*_NEWEST_STAGES, score]


def _rank_stage(value: Document) -> Document:
    # $set, not $project: the latter evaluates many look-ups about three times as slowly (MongoDB 6.0).
    return {"$set": {RANK_FIELD: value}}


def _word_score(word: QueryTerm) -> Document:
    return {"$multiply": [word.weight, _best_impact(word)]}


def _best_impact(word: QueryTerm) -> Document:
    return {
        "$max": [
            {"$multiply": [quality, {"$ifNull": [f"$impacts.{term}", 0]}]}
            for term, quality in word.qualities.items()
        ]
    }


def _nearest_m(circle: GeoCircle) -> Document:
    def half_sine_squared(degrees: Document) -> Document:
        return {"$pow": [{"$sin": {"$divide": [{"$degreesToRadians": degrees}, 2]}}, 2]}

    lng, lat = ({"$arrayElemAt": ["$$spot.at.coordinates", index]} for index in (0, 1))
    cosines = [{"$cos": {"$degreesToRadians": degrees}} for degrees in (lat, circle.lat)]
    over = {
        "$add": [
            half_sine_squared({"$subtract": [lat, circle.lat]}),
            {"$multiply": [*cosines, half_sine_squared({"$subtract": [lng, circle.lng]})]},
        ]
    }
    metres = {"$multiply": [2_000 * EARTH_RADIUS_KM, {"$asin": {"$min": [1, {"$sqrt": over}]}}]}
    return {"$toInt": {"$round": {"$min": {"$map": {"input": "$spots", "as": "spot", "in": metres}}}}}


_FACET_FIELDS: Final[Mapping[FacetDimension, tuple[str, str, str]]] = {
    FacetDimension.SKILL: ("skills", "$skills.key", "$skills.name"),
    FacetDimension.FIELD: ("field", "$field.key", "$field.name"),
    FacetDimension.CITY: ("cities", "$cities.key", "$cities.name"),
    FacetDimension.WORK_MODE: ("work_mode", "$work_mode", "$work_mode"),
    FacetDimension.COMPANY: ("company", "$company.key", "$company.name"),
}
_LIST_FACETS: Final = frozenset({FacetDimension.SKILL, FacetDimension.CITY})


def facet_pipeline(query: SearchQuery, dimensions: Sequence[FacetDimension], now: datetime) -> list[Document]:
    """Return the aggregation that counts the newest matches by each dimension, in one pass."""
    fields = {name: True for name, *_ in _FACET_FIELDS.values()}
    return [
        *_match_stages(query, now),
        *_NEWEST_STAGES,
        {"$project": {"_id": False} | fields},
        {"$facet": {dimension.value: _facet_stages(dimension) for dimension in dimensions}},
    ]


def total_pipeline(query: SearchQuery, now: datetime) -> list[Document]:
    """Return the aggregation that counts the matches, up to `MAX_COUNTED_MATCHES` + 1."""
    return [*_match_stages(query, now), {"$limit": MAX_COUNTED_MATCHES + 1}, {"$count": "total"}]


def term_count_pipeline() -> list[Document]:
    """Return the aggregation that counts the entries with each term, the most frequent terms first."""
    return [
        {"$match": {"terms": {"$exists": True}}},
        {"$project": {"terms": True}},
        {"$unwind": "$terms"},
        {"$group": {"_id": "$terms", "count": {"$sum": 1}}},
        {"$sort": {"count": -1}},
        {"$limit": MAX_TERMS},
    ]


def phrase_count_pipeline(field: str) -> list[Document]:
    """Return the aggregation that counts the entries with each phrase of a field, the most frequent first."""
    return [
        {"$match": {"terms": {"$exists": True}, field: {"$exists": True}}},
        {"$project": {field: True}},
        {"$unwind": f"${field}"},
        {"$group": {"_id": f"${field}.key", "name": {"$first": f"${field}.name"}, "count": {"$sum": 1}}},
        {"$sort": {"count": -1, "_id": 1}},
        {"$limit": MAX_PHRASES},
    ]


def _facet_stages(dimension: FacetDimension) -> list[Document]:
    field, key, name = _FACET_FIELDS[dimension]
    return [
        *({"$unwind": f"${field}"} for _ in range(1) if dimension in _LIST_FACETS),
        {"$group": {"_id": key, "name": {"$first": name}, "count": {"$sum": 1}}},
        {"$match": {"_id": {"$nin": [None, ""]}}},
        {"$sort": {"count": -1, "_id": 1}},
        {"$limit": MAX_FACET_VALUES},
    ]
