"""Questions to one shard's index. These are the queries that go to all shards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chassis.ids import slot_of
from chassis.mongo.documents import Document
from chassis.search.gazetteer import EARTH_RADIUS_KM
from chassis.search.query_parser import QueryTerm
from chassis.sharding.collections import ShardDatabase
from services.internship.repository.search_index import (
    CITY_INDEX,
    COMPANY_INDEX,
    DEADLINE_INDEX,
    FIELD_INDEX,
    NEWEST_INDEX,
    PAY_INDEX,
    POINTS_INDEX,
    SEARCH_COLLECTION,
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
"""Matches of one shard that relevance is measured for and that are counted, the newest ones: what keeps a
question bounded whose words are everywhere."""
MAX_FACET_VALUES: Final = 500
"""Values of one dimension that one shard counts."""

MAX_COUNTED_MATCHES: Final = 1_000
"""Matches of one shard that are counted one by one; beyond them the total is an estimate."""

RANK_FIELD: Final = "rank"
MATCHED_FIELD: Final = "matched"
MATCHED_WORD_SCORE: Final = 10**12
"""What one matched word more is worth where not all have to match: more than all that words can score."""
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
class SearchMatch:
    """A match: its place in the order, and its company."""

    key: SortKey
    company_id: str


@dataclass(frozen=True, slots=True)
class SearchHit:
    """What is shown of a match: the serialized hit, and the text for a passage."""

    hit: bytes
    description: str


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Which part of the order: after one key, up to and including another, without some companies."""

    after: SortKey | None = None
    upto: SortKey | None = None
    without: frozenset[str] = frozenset()


async def find_matches(
    db: ShardDatabase, question: SearchQuery, window: KeyRange, limit: int, now: datetime
) -> list[SearchMatch]:
    """The first matches of a window in the question's order; the index follows from the question (`hint`)."""
    pipeline = match_pipeline(question, window, limit, now)
    cursor = await db.secondary_reads[SEARCH_COLLECTION].aggregate(pipeline, hint=choose_index(question))
    return [
        SearchMatch((int(document["key"]), document["_id"]), document["company"]["key"])
        async for document in cursor
    ]


async def load_hits(db: ShardDatabase, listing_ids: Iterable[str]) -> dict[str, SearchHit]:
    """What is shown of matches on one shard; by `_id_`."""
    ids = list(listing_ids)
    query = {
        "_id": {"$in": ids},
        "slot": {"$in": sorted({slot_of(id_) for id_ in ids})},
        "hit": {"$exists": True},
    }
    rows = db.secondary_reads[SEARCH_COLLECTION].find(query, {"hit": True, "description": True}, hint="_id_")
    return {row["_id"]: SearchHit(row["hit"], row["description"]) async for row in rows}


def match_pipeline(question: SearchQuery, window: KeyRange, limit: int, now: datetime) -> list[Document]:
    """The aggregation behind `matches`."""
    by, direction = _SORTED_BY[question.sort], -1 if question.sort.descending else 1
    part = _range_conditions(window, by, descending=question.sort.descending)
    narrower = [*_without_companies(window.without), *(part if by != RANK_FIELD else ())]
    return [
        *_match_stages(question, now, narrower),
        *(_rank_stages(question) if by == RANK_FIELD else ()),
        *([{"$match": {"$and": part}}] if by == RANK_FIELD and part else ()),
        {"$sort": {by: direction, "_id": direction}},
        {"$limit": limit},
        {"$project": {"company.key": True, "key": {"$toLong": f"${by}"}}},
    ]


def choose_index(question: SearchQuery) -> str:
    """The index that narrows a question best."""
    filters = question.filters
    asked = {
        COMPANY_INDEX: filters.company_id,
        TERMS_INDEX: question.demanded,
        POINTS_INDEX: filters.near,
        SKILL_INDEX: filters.skills,
        CITY_INDEX: filters.cities,
        FIELD_INDEX: filters.field,
    }
    sorted_by = {SearchOrder.DEADLINE: DEADLINE_INDEX, SearchOrder.PAY: PAY_INDEX}
    return next((name for name, value in asked.items() if value), sorted_by.get(question.sort, NEWEST_INDEX))


def _match_stages(question: SearchQuery, now: datetime, narrower: Sequence[Document] = ()) -> list[Document]:
    """The stages after which only matches are left."""
    conditions = [{"apply_deadline": {"$gt": now}}, *_filter_conditions(question.filters), *narrower]
    if question.least is None:
        return [{"$match": {"$and": [*_word_conditions(question.demanded), *conditions]}}]
    any_word = {"terms": {"$in": [term for word in question.demanded for term in word.qualities]}}
    matched = {"$add": [{"$cond": [{"$gt": [_best_impact(word), 0]}, 1, 0]} for word in question.demanded]}
    return [
        {"$match": {"$and": [any_word, *conditions]}},
        *_NEWEST_STAGES,
        {"$set": {MATCHED_FIELD: matched}},
        {"$match": {MATCHED_FIELD: {"$gte": question.least}}},
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


def _range_conditions(window: KeyRange, by: str, *, descending: bool) -> list[Document]:
    onward, back = ("$lt", "$gt") if descending else ("$gt", "$lt")
    part = []
    if window.after is not None:
        part += _beyond_key(window.after, by, onward, onward)
    if window.upto is not None:
        part += _beyond_key(window.upto, by, back, f"{back}e")
    return part


def _beyond_key(key: SortKey, by: str, comparison: str, tie: str) -> list[Document]:
    value: Any = _EPOCH + timedelta(milliseconds=key[0]) if by in _TIME_FIELDS else key[0]
    return [
        {by: {f"{comparison}e": value}},
        {"$or": [{by: {comparison: value}}, {by: value, "_id": {tie: key[1]}}]},
    ]


def _rank_stages(question: SearchQuery) -> list[Document]:
    if question.sort is SearchOrder.DISTANCE and question.filters.near is not None:
        return [_rank_stage(_nearest_m(question.filters.near))]
    parts = [_word_score(word) for word in question.words if word.affects_ranking]
    if question.least is not None:
        return [_rank_stage({"$add": [{"$multiply": [f"${MATCHED_FIELD}", MATCHED_WORD_SCORE]}, *parts]})]
    score = _rank_stage({"$add": parts})
    demanded = question.demanded
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


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many matches have a value, by its key and a spelling of it."""

    key: str
    name: str
    count: int


_FACET_FIELDS: Final[Mapping[FacetDimension, tuple[str, str, str]]] = {
    FacetDimension.SKILL: ("skills", "$skills.key", "$skills.name"),
    FacetDimension.FIELD: ("field", "$field.key", "$field.name"),
    FacetDimension.CITY: ("cities", "$cities.key", "$cities.name"),
    FacetDimension.WORK_MODE: ("work_mode", "$work_mode", "$work_mode"),
    FacetDimension.COMPANY: ("company", "$company.key", "$company.name"),
}
_LIST_FACETS: Final = frozenset({FacetDimension.SKILL, FacetDimension.CITY})


async def count_facets(
    db: ShardDatabase, question: SearchQuery, dimensions: Sequence[FacetDimension], now: datetime
) -> dict[FacetDimension, list[FacetCount]]:
    """How many of the newest matches have each value of some dimensions, in one pass."""
    fields = {name: True for name, *_ in _FACET_FIELDS.values()}
    pipeline: list[Document] = [
        *_match_stages(question, now),
        *_NEWEST_STAGES,
        {"$project": {"_id": False} | fields},
        {"$facet": {dimension.value: _facet_stages(dimension) for dimension in dimensions}},
    ]
    cursor = await db.secondary_reads[SEARCH_COLLECTION].aggregate(
        pipeline, hint=choose_index(replace(question, sort=SearchOrder.NEWEST))
    )
    counted = await cursor.next()
    return {
        dimension: [FacetCount(row["_id"], row["name"], row["count"]) for row in counted[dimension.value]]
        for dimension in dimensions
    }


async def count_matches(db: ShardDatabase, question: SearchQuery, now: datetime) -> int:
    """How many matches this shard has, up to `MAX_COUNTED_MATCHES` + 1."""
    question = replace(question, sort=SearchOrder.NEWEST)
    pipeline = [*_match_stages(question, now), {"$limit": MAX_COUNTED_MATCHES + 1}, {"$count": "total"}]
    cursor = await db.secondary_reads[SEARCH_COLLECTION].aggregate(pipeline, hint=choose_index(question))
    return next((int(row["total"]) for row in await cursor.to_list()), 0)


def _facet_stages(dimension: FacetDimension) -> list[Document]:
    field, key, name = _FACET_FIELDS[dimension]
    return [
        *({"$unwind": f"${field}"} for _ in range(1) if dimension in _LIST_FACETS),
        {"$group": {"_id": key, "name": {"$first": name}, "count": {"$sum": 1}}},
        {"$match": {"_id": {"$nin": [None, ""]}}},
        {"$sort": {"count": -1, "_id": 1}},
        {"$limit": MAX_FACET_VALUES},
    ]
