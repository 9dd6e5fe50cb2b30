"""A question to the index: words with all they may stand for, filters, and the order of answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.internship.domain.model import WorkMode

from .text import STEM, STOPWORDS, analysed, words_of
from .vocabulary import Vocabulary

MOST_WORDS: Final = 10
_SHORTEST_START: Final = 2

EXACT, STEMMED, COMPLETED, CORRECTED, FAR_CORRECTED = 100, 90, 70, 50, 30
"""How well a term stands for the word that was asked for, in percent."""


class Sort(StrEnum):
    """How answers are ordered; ties by ID, which is by age."""

    RELEVANCE = "RELEVANCE"
    NEWEST = "NEWEST"
    DEADLINE = "DEADLINE"
    PAY = "PAY"
    DISTANCE = "DISTANCE"

    @property
    def descending(self) -> bool:
        """Whether the greatest value comes first."""
        return self not in {Sort.DEADLINE, Sort.DISTANCE}


class Dimension(StrEnum):
    """What matches are counted by."""

    SKILL = "skill"
    FIELD = "field"
    CITY = "city"
    WORK_MODE = "work_mode"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class Word:
    """A word asked for: the terms it may stand for with their quality, and how much finding it says.

    `listings` is about how many hold one of them.
    """

    text: str
    qualities: dict[str, int]
    weight: int
    listings: int


@dataclass(frozen=True, slots=True)
class Circle:
    """A point in degrees and a radius around it."""

    lat: float
    lng: float
    radius_km: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a listing must be, beyond its words; names are keys (`text.key_of`), empty values ask nothing."""

    skills: tuple[str, ...] = ()
    field: str = ""
    city: str = ""
    country: str = ""
    near: Circle | None = None
    work_mode: WorkMode | None = None
    min_hourly_pay_minor: int = 0
    currency: str = ""
    min_duration_weeks: int = 0
    max_duration_weeks: int = 0
    company_id: str = ""
    posted_since: datetime | None = None
    deadline_after: datetime | None = None

    def without(self, dimension: Dimension) -> "Filters":
        """The same, asking nothing of one dimension."""
        cleared: dict[Dimension, dict[str, object]] = {
            Dimension.SKILL: {"skills": ()},
            Dimension.FIELD: {"field": ""},
            Dimension.CITY: {"city": ""},
            Dimension.WORK_MODE: {"work_mode": None},
            Dimension.COMPANY: {"company_id": ""},
        }
        return replace(self, **cleared[dimension])  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to look for, in what order."""

    words: tuple[Word, ...] = ()
    filters: Filters = Filters()
    sort: Sort = Sort.NEWEST


def effective_sort(asked: Sort | None, words: Sequence[Word]) -> Sort:
    """Relevance needs words to measure it by; without any the newest come first."""
    if asked in (None, Sort.RELEVANCE):
        return Sort.RELEVANCE if words else Sort.NEWEST
    return asked


def read_words(text: str, vocabulary: Vocabulary, weights: Sequence[int] = ()) -> tuple[Word, ...]:
    """The words of a question, the last one possibly unfinished, at most `MOST_WORDS` different ones.

    `weights` are those of an earlier page, so that a page's order does not shift under the next one.
    """
    found = [terms for terms in map(analysed, words_of(text)) if terms[0]]
    unfinished = found[-1][0] if found and not text[-1:].isspace() else ""
    different = dict(found)
    meaningful = {word: stem for word, stem in different.items() if word not in STOPWORDS} or different
    words = []
    for index, (word, stem) in enumerate(list(meaningful.items())[:MOST_WORDS]):
        qualities = _meanings(word, stem, vocabulary, unfinished=word == unfinished)
        weight = weights[index] if index < len(weights) else vocabulary.rareness(qualities)
        listings = sum(vocabulary.count(term) for term in qualities)
        words.append(Word(word, qualities, weight, listings))
    return tuple(words)


def _meanings(word: str, stem: str, vocabulary: Vocabulary, *, unfinished: bool) -> dict[str, int]:
    qualities = {stem: STEMMED, stem.removeprefix(STEM): STEMMED} if stem else {}
    if unfinished and len(word) >= _SHORTEST_START:
        qualities |= dict.fromkeys(vocabulary.completions(word), COMPLETED)
    qualities[word] = EXACT
    if not any(vocabulary.count(term) for term in qualities):
        for correction in vocabulary.corrections(word):
            qualities[correction.word] = CORRECTED if correction.distance == 1 else FAR_CORRECTED
    return qualities
