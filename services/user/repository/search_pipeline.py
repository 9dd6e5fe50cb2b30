"""The stages of a search for students, and the index that serves it."""

from typing import Any, Final

from pymongo import DESCENDING

from chassis.mongo.documents import Document
from chassis.search.query_parser import QueryTerm
from services.user.domain import StudentQuery
from services.user.domain.search import StudentSortKey

RANK: Final = "rank"
_MATCHED: Final = "matched"
_MATCHED_WORD_SCORE: Final = 10**12
"""The score of one more matched word when not all have to match: more than the scores of all words."""


def match_pipeline(query: StudentQuery, after: StudentSortKey | None, limit: int) -> list[Document]:
    """Return the stages that sort matches: more of the words first, then higher scores, then newer ones."""
    words = query.reading.terms
    scores: list[Any] = [
        {"$multiply": [word.weight, _best_impact(word)]} for word in words if word.affects_ranking
    ]
    stages = match_stages(query)
    if query.min_words is not None:
        scores.append({"$multiply": [f"${_MATCHED}", _MATCHED_WORD_SCORE]})
    stages.append({"$set": {RANK: {"$toLong": {"$add": [0, *scores]}}}})
    if after is not None:
        rank, student_id = after
        beyond = [{RANK: {"$lt": rank}}, {RANK: rank, "_id": {"$lt": student_id}}]
        stages.append({"$match": {"$or": beyond}})
    return [*stages, {"$sort": {RANK: DESCENDING, "_id": DESCENDING}}, {"$limit": limit}]


def match_stages(query: StudentQuery) -> list[Document]:
    """Return the stages after which only matches are left."""
    matched = {
        "$add": [{"$cond": [{"$gt": [_best_impact(word), 0]}, 1, 0]} for word in query.reading.required_terms]
    }
    stages: list[Document] = [{"$match": _match_condition(query)}]
    if query.min_words is not None:
        stages += [{"$set": {_MATCHED: matched}}, {"$match": {_MATCHED: {"$gte": query.min_words}}}]
    return stages


def _best_impact(word: QueryTerm) -> Document:
    impacts = [
        {"$multiply": [quality, {"$ifNull": [f"$impacts.{term}", 0]}]}
        for term, quality in word.qualities.items()
    ]
    return {"$max": impacts}


def _match_condition(query: StudentQuery) -> Document:
    demanded = query.reading.required_terms
    asked: list[Document] = [{"blocked_company_ids": {"$ne": query.company_id}}]
    if query.min_words is not None:
        asked.append({"words": {"$in": [term for word in demanded for term in word.qualities]}})
    else:
        asked += [{"words": {"$in": list(word.qualities)}} for word in demanded]
    if query.skill_keys:
        asked.append({"skill_keys": {"$all": list(query.skill_keys)}})
    if query.city_keys:
        asked.append({"city_key": {"$in": list(query.city_keys)}})
    if query.country:
        asked.append({"country": query.country})
    return {"$and": [*asked, *_study_conditions(query)]}


def _study_conditions(query: StudentQuery) -> list[Document]:
    asked: list[Document] = []
    if query.school_words:
        asked.append({"school_words": {"$all": list(query.school_words)}})
    if query.field_terms:
        asked.append({"$or": [{"field_terms": {"$all": list(terms)}} for terms in query.field_terms]})
    if query.graduation:
        asked.append({"graduation_last": {"$gte": query.graduation.first}})
        asked.append({"graduation_first": {"$lte": query.graduation.last}})
    return asked


def choose_index(query: StudentQuery) -> str:
    """Return the index of the usually narrowest condition; without any, `_id` gives the order."""
    indexes = (
        (query.reading.required_terms, "by_word"),
        (query.skill_keys, "by_skill"),
        (query.school_words, "by_school"),
        (query.city_keys, "by_city"),
        (query.field_terms, "by_field"),
        (query.country, "by_country"),
        (query.graduation, "by_graduation"),
    )
    return next((index for condition, index in indexes if condition), "_id_")
