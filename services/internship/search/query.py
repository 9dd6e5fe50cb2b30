"""A question to the index: words with all they may stand for, filters, and the order of answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from chassis.search.reading import Word
from services.internship.domain.model import WorkMode


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
class Circle:
    """A point in degrees and a radius around it."""

    lat: float
    lng: float
    radius_km: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a listing must be, beyond its words; names are keys (`text.key_of`), empty values ask nothing.

    `cities` are keys of `entry.city_key`, one of which the listing has to have.
    """

    skills: tuple[str, ...] = ()
    field: str = ""
    cities: tuple[str, ...] = ()
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
            Dimension.CITY: {"cities": ()},
            Dimension.WORK_MODE: {"work_mode": None},
            Dimension.COMPANY: {"company_id": ""},
        }
        return replace(self, **cleared[dimension])  # type: ignore[arg-type]


_READ_AS: Final = {Dimension.FIELD: "field", Dimension.CITY: "city", Dimension.WORK_MODE: "workMode"}
"""The filters that words may stand for, by what they are counted by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to look for, in what order. `least` demanded words have to be found; None: all of them."""

    words: tuple[Word, ...] = ()
    filters: Filters = Filters()
    sort: Sort = Sort.NEWEST
    least: int | None = None

    @property
    def demanded(self) -> tuple[Word, ...]:
        """The words that listings have to hold."""
        return tuple(word for word in self.words if word.demanded)

    def partly(self) -> "Question":
        """The same, content with most of the words."""
        return replace(self, least=max(1, (len(self.demanded) + 1) // 2))

    def without(self, dimension: Dimension) -> "Question":
        """The same, asking nothing of one dimension, be it by a filter or by words that stand for one."""
        name = _READ_AS.get(dimension)
        words = tuple(word for word in self.words if not word.means or word.means[0].name != name)
        least = None if self.least is None else max(1, self.least - len(self.words) + len(words))
        return replace(self, filters=self.filters.without(dimension), words=words, least=least)


def effective_sort(asked: Sort | None, words: Sequence[Word]) -> Sort:
    """Relevance needs words to measure it by; without any the newest come first."""
    if asked in (None, Sort.RELEVANCE):
        return Sort.RELEVANCE if any(word.ranks for word in words) else Sort.NEWEST
    return asked
