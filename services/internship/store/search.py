"""Questions to one shard's index. These are the queries that go to all shards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chassis.ids import slot_of
from chassis.mongo.collections import ShardDatabase
from chassis.mongo.documents import Document
from chassis.search.places import EARTH_RADIUS_KM
from chassis.search.reading import Word
from services.internship.search.query import Circle, Dimension, Filters, Question, Sort
from services.internship.search.spread import Key

from .index import CITY, COMPANY, DEADLINE, FIELD, INDEX, NEWEST, PAY, SKILL, SPOTS, TERMS

MOST_WEIGHED: Final = 5_000
"""Matches of one shard that relevance is measured for and that are counted, the newest ones: what keeps a
question bounded whose words are everywhere."""
MOST_VALUES: Final = 500
"""Values of one dimension that one shard counts."""

MOST_COUNTED: Final = 1_000
"""Matches of one shard that are counted one by one; beyond them the total is an estimate."""

RANK: Final = "rank"
MATCHED: Final = "matched"
MATCHED_STEP: Final = 10**12
"""What one matched word more is worth where not all have to match: more than all that words can score."""
_NEWEST_FEW: Final = ({"$sort": {"publish_time": -1}}, {"$limit": MOST_WEIGHED})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SORTED_BY: Final[Mapping[Sort, str]] = {
    Sort.NEWEST: "publish_time",
    Sort.DEADLINE: "apply_deadline",
    Sort.PAY: "hourly_pay_minor",
    Sort.RELEVANCE: RANK,
    Sort.DISTANCE: RANK,
}
_TIMES: Final = frozenset({"publish_time", "apply_deadline"})


@dataclass(frozen=True, slots=True)
class Row:
    """A match: its place in the order, and its company."""

    key: Key
    company_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is shown of a match: the serialized hit, and the text for a passage."""

    hit: bytes
    description: str


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of the order: after one key, up to and including another, without some companies."""

    after: Key | None = None
    upto: Key | None = None
    without: frozenset[str] = frozenset()


async def matches(
    db: ShardDatabase, question: Question, window: Window, limit: int, now: datetime
) -> list[Row]:
    """The first matches of a window in the question's order; the index follows from the question (`hint`)."""
    pipeline = pipeline_of(question, window, limit, now)
    cursor = await db.nearby[INDEX].aggregate(pipeline, hint=index_for(question))
    return [
        Row((int(document["key"]), document["_id"]), document["company"]["key"]) async for document in cursor
    ]


async def answers(db: ShardDatabase, listing_ids: Iterable[str]) -> dict[str, Answer]:
    """What is shown of matches on one shard; by `_id_`."""
    ids = list(listing_ids)
    query = {
        "_id": {"$in": ids},
        "slot": {"$in": sorted({slot_of(id_) for id_ in ids})},
        "hit": {"$exists": True},
    }
    rows = db.nearby[INDEX].find(query, {"hit": True, "description": True}, hint="_id_")
    return {row["_id"]: Answer(row["hit"], row["description"]) async for row in rows}


def pipeline_of(question: Question, window: Window, limit: int, now: datetime) -> list[Document]:
    """The aggregation behind `matches`."""
    by, direction = _SORTED_BY[question.sort], -1 if question.sort.descending else 1
    part = _part_of(window, by, descending=question.sort.descending)
    narrower = [*_without(window.without), *(part if by != RANK else ())]
    return [
        *_matching(question, now, narrower),
        *(_ranking(question) if by == RANK else ()),
        *([{"$match": {"$and": part}}] if by == RANK and part else ()),
        {"$sort": {by: direction, "_id": direction}},
        {"$limit": limit},
        {"$project": {"company.key": True, "key": {"$toLong": f"${by}"}}},
    ]


def index_for(question: Question) -> str:
    """The index that narrows a question best."""
    filters = question.filters
    asked = {
        COMPANY: filters.company_id,
        TERMS: question.demanded,
        SPOTS: filters.near,
        SKILL: filters.skills,
        CITY: filters.cities,
        FIELD: filters.field,
    }
    sorted_by = {Sort.DEADLINE: DEADLINE, Sort.PAY: PAY}
    return next((name for name, value in asked.items() if value), sorted_by.get(question.sort, NEWEST))


def _matching(question: Question, now: datetime, narrower: Sequence[Document] = ()) -> list[Document]:
    """The stages after which only matches are left."""
    conditions = [{"apply_deadline": {"$gt": now}}, *_filters(question.filters), *narrower]
    if question.least is None:
        return [{"$match": {"$and": [*_words(question.demanded), *conditions]}}]
    any_word = {"terms": {"$in": [term for word in question.demanded for term in word.qualities]}}
    matched = {"$add": [{"$cond": [{"$gt": [_best(word), 0]}, 1, 0]} for word in question.demanded]}
    return [
        {"$match": {"$and": [any_word, *conditions]}},
        *_NEWEST_FEW,
        {"$set": {MATCHED: matched}},
        {"$match": {MATCHED: {"$gte": question.least}}},
    ]


def _words(words: Sequence[Word]) -> list[Document]:
    rarest_first = sorted(words, key=lambda word: word.listings)
    return [{"terms": {"$in": list(word.qualities)}} for word in rarest_first]


def _filters(filters: Filters) -> list[Document]:
    asked: tuple[tuple[Any, Document], ...] = (
        (filters.skills, {"skills.key": {"$all": list(filters.skills)}}),
        (filters.field, {"field.key": filters.field}),
        (filters.cities, {"cities.key": {"$in": list(filters.cities)}}),
        (filters.country, {"countries": filters.country}),
        (filters.near, {"spots.at": filters.near and _within(filters.near)}),
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


def _within(circle: Circle) -> Document:
    return {"$geoWithin": {"$centerSphere": [[circle.lng, circle.lat], circle.radius_km / EARTH_RADIUS_KM]}}


def _without(companies: Iterable[str]) -> list[Document]:
    names = sorted(companies)
    return [{"company.key": {"$nin": names}}] if names else []


def _part_of(window: Window, by: str, *, descending: bool) -> list[Document]:
    onward, back = ("$lt", "$gt") if descending else ("$gt", "$lt")
    part = []
    if window.after is not None:
        part += _beyond(window.after, by, onward, onward)
    if window.upto is not None:
        part += _beyond(window.upto, by, back, f"{back}e")
    return part


def _beyond(key: Key, by: str, comparison: str, tie: str) -> list[Document]:
    value: Any = _EPOCH + timedelta(milliseconds=key[0]) if by in _TIMES else key[0]
    return [
        {by: {f"{comparison}e": value}},
        {"$or": [{by: {comparison: value}}, {by: value, "_id": {tie: key[1]}}]},
    ]


def _ranking(question: Question) -> list[Document]:
    if question.sort is Sort.DISTANCE and question.filters.near is not None:
        return [_ranked_by(_nearest_m(question.filters.near))]
    parts = [_score(word) for word in question.words if word.ranks]
    if question.least is not None:
        return [_ranked_by({"$add": [{"$multiply": [f"${MATCHED}", MATCHED_STEP]}, *parts]})]
    score = _ranked_by({"$add": parts})
    demanded = question.demanded
    if demanded and min(word.listings for word in demanded) <= MOST_WEIGHED:
        return [score]
    return [*_NEWEST_FEW, score]


def _ranked_by(value: Document) -> Document:
    # $set, not $project: the latter evaluates many look-ups about three times as slowly (MongoDB 6.0).
    return {"$set": {RANK: value}}


def _score(word: Word) -> Document:
    return {"$multiply": [word.weight, _best(word)]}


def _best(word: Word) -> Document:
    return {
        "$max": [
            {"$multiply": [quality, {"$ifNull": [f"$impacts.{term}", 0]}]}
            for term, quality in word.qualities.items()
        ]
    }


def _nearest_m(circle: Circle) -> Document:
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
class Count:
    """How many matches have a value, by its key and a spelling of it."""

    key: str
    name: str
    count: int


_COUNTED: Final[Mapping[Dimension, tuple[str, str, str]]] = {
    Dimension.SKILL: ("skills", "$skills.key", "$skills.name"),
    Dimension.FIELD: ("field", "$field.key", "$field.name"),
    Dimension.CITY: ("cities", "$cities.key", "$cities.name"),
    Dimension.WORK_MODE: ("work_mode", "$work_mode", "$work_mode"),
    Dimension.COMPANY: ("company", "$company.key", "$company.name"),
}
_LISTS: Final = frozenset({Dimension.SKILL, Dimension.CITY})


async def counts(
    db: ShardDatabase, question: Question, dimensions: Sequence[Dimension], now: datetime
) -> dict[Dimension, list[Count]]:
    """How many of the newest matches have each value of some dimensions, in one pass."""
    fields = {name: True for name, *_ in _COUNTED.values()}
    pipeline: list[Document] = [
        *_matching(question, now),
        *_NEWEST_FEW,
        {"$project": {"_id": False} | fields},
        {"$facet": {dimension.value: _grouped(dimension) for dimension in dimensions}},
    ]
    cursor = await db.nearby[INDEX].aggregate(pipeline, hint=index_for(replace(question, sort=Sort.NEWEST)))
    counted = await cursor.next()
    return {
        dimension: [Count(row["_id"], row["name"], row["count"]) for row in counted[dimension.value]]
        for dimension in dimensions
    }


async def total(db: ShardDatabase, question: Question, now: datetime) -> int:
    """How many matches this shard has, up to `MOST_COUNTED` + 1."""
    question = replace(question, sort=Sort.NEWEST)
    pipeline = [*_matching(question, now), {"$limit": MOST_COUNTED + 1}, {"$count": "total"}]
    cursor = await db.nearby[INDEX].aggregate(pipeline, hint=index_for(question))
    return next((int(row["total"]) for row in await cursor.to_list()), 0)


def _grouped(dimension: Dimension) -> list[Document]:
    field, key, name = _COUNTED[dimension]
    return [
        *({"$unwind": f"${field}"} for _ in range(1) if dimension in _LISTS),
        {"$group": {"_id": key, "name": {"$first": name}, "count": {"$sum": 1}}},
        {"$match": {"_id": {"$nin": [None, ""]}}},
        {"$sort": {"count": -1, "_id": 1}},
        {"$limit": MOST_VALUES},
    ]
