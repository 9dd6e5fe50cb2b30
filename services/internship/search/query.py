"""A query to the index: words with their alternatives, filters, and the order of hits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from chassis.search.query_parser import QueryTerm
from services.internship.domain.model import WorkMode


class SearchOrder(StrEnum):
    """The order of hits; ties are ordered by ID, which is by age."""

    RELEVANCE = "RELEVANCE"
    NEWEST = "NEWEST"
    DEADLINE = "DEADLINE"
    PAY = "PAY"
    DISTANCE = "DISTANCE"

    @property
    def is_descending(self) -> bool:
        """Whether the greatest value comes first."""
        return self not in {SearchOrder.DEADLINE, SearchOrder.DISTANCE}


class FacetDimension(StrEnum):
    """A dimension by which matches are counted."""

    SKILL = "skill"
    FIELD = "field"
    CITY = "city"
    WORK_MODE = "work_mode"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class GeoCircle:
    """A point in degrees and a radius around it."""

    lat: float
    lng: float
    radius_km: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFilters:
    """The conditions on a listing beyond its words; names are keys (`name_key`), empty values are none.

    `cities` are keys of `city_keys`, one of which the listing has to have.
    """

    skills: tuple[str, ...] = ()
    field: str = ""
    cities: tuple[str, ...] = ()
    country: str = ""
    near: GeoCircle | None = None
    work_mode: WorkMode | None = None
    min_hourly_pay_minor: int = 0
    currency: str = ""
    min_duration_weeks: int = 0
    max_duration_weeks: int = 0
    company_id: str = ""
    posted_since: datetime | None = None
    deadline_after: datetime | None = None

    def without_dimension(self, dimension: FacetDimension) -> "SearchFilters":
        """Return the filters without the condition on one dimension."""
        cleared: dict[FacetDimension, dict[str, object]] = {
            FacetDimension.SKILL: {"skills": ()},
            FacetDimension.FIELD: {"field": ""},
            FacetDimension.CITY: {"cities": ()},
            FacetDimension.WORK_MODE: {"work_mode": None},
            FacetDimension.COMPANY: {"company_id": ""},
        }
        return replace(self, **cleared[dimension])  # type: ignore[arg-type]


_FILTER_OF_DIMENSION: Final = {
    FacetDimension.FIELD: "field",
    FacetDimension.CITY: "city",
    FacetDimension.WORK_MODE: "workMode",
}
"""The filters that words may stand for, by dimension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """Words, filters and order. At least `min_words` required words have to match; None: all; 0: none."""

    words: tuple[QueryTerm, ...] = ()
    filters: SearchFilters = SearchFilters()
    sort: SearchOrder = SearchOrder.NEWEST
    min_words: int | None = None

    @property
    def required_words(self) -> tuple[QueryTerm, ...]:
        """The words that listings have to match."""
        return tuple(word for word in self.words if word.is_required)

    def with_most_words(self) -> "SearchQuery":
        """Return the query that requires only most of the words."""
        return replace(self, min_words=max(1, (len(self.required_words) + 1) // 2))

    def without_dimension(self, dimension: FacetDimension) -> "SearchQuery":
        """Return the query without conditions on one dimension, whether from a filter or from words."""
        name = _FILTER_OF_DIMENSION.get(dimension)
        words = tuple(word for word in self.words if not word.filters or word.filters[0].name != name)
        min_words = self.min_words and max(1, self.min_words - len(self.words) + len(words))
        return replace(
            self, filters=self.filters.without_dimension(dimension), words=words, min_words=min_words
        )


def effective_sort(asked: SearchOrder | None, words: Sequence[QueryTerm]) -> SearchOrder:
    """Return the order to use: relevance needs words to measure it by; without any the newest come first."""
    if asked in (None, SearchOrder.RELEVANCE):
        return SearchOrder.RELEVANCE if any(word.affects_ranking for word in words) else SearchOrder.NEWEST
    return asked
