"""Studies as recruiters look for them: schools and subjects by their words, the end by its month."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chassis.search.synonyms import find_synonym_terms
from chassis.search.text_analysis import STOPWORDS, compose_nfc, tokenize

_MONTHS_PER_YEAR: Final = 12
_MONTH: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?(?:-[0-9]{2})?")
MAX_SCHOOL_WORDS: Final = 60
"""Different words of one student's schools, or subjects, in the index."""


@dataclass(frozen=True, slots=True)
class MonthWindow:
    """The months from the first to the last, both included, counted since the year 0."""

    first: int
    last: int


FIRST_MONTH: Final = 0
LAST_MONTH: Final = 9999 * _MONTHS_PER_YEAR + 11


def month_window(first: str, last: str) -> MonthWindow | None:
    """Return the window between two months such as `2027-09`; "" is open. None when both are."""
    if not first and not last:
        return None
    begin, end = _months_of(first), _months_of(last)
    return MonthWindow(begin.first if begin else FIRST_MONTH, end.last if end else LAST_MONTH)


def graduation_months(ends: Iterable[str]) -> MonthWindow | None:
    """Return the months in which the last of some studies may end; a year alone means all of its months."""
    windows = [window for window in map(_months_of, ends) if window is not None]
    return max(windows, key=lambda window: (window.last, window.first), default=None)


def school_words(schools: Iterable[str]) -> tuple[str, ...]:
    """Return the words by which schools are found, without those that every text has."""
    return tuple(dict.fromkeys(word for school in schools for word in _words_of(school)))[:MAX_SCHOOL_WORDS]


def field_terms(areas: Iterable[str]) -> tuple[str, ...]:
    """Return the words of subjects, and the terms of the fields that they name."""
    found = dict.fromkeys(
        term for area in areas for term in (*_words_of(area), *sorted(find_synonym_terms(area)))
    )
    return tuple(found)[:MAX_SCHOOL_WORDS]


def field_alternatives(area: str) -> tuple[tuple[str, ...], ...]:
    """Return the terms of a subject that somebody looks for: all its words, or a field that it names."""
    words = _words_of(area)
    named = ((term,) for term in sorted(find_synonym_terms(area)))
    return (words, *named) if words else ()


def _words_of(text: str) -> tuple[str, ...]:
    folded = (token.folded for token in tokenize(compose_nfc(text)))
    return tuple(dict.fromkeys(word for word in folded if word not in STOPWORDS))


def _months_of(text: str) -> MonthWindow | None:
    found = _MONTH.fullmatch(text)
    if found is None:
        return None
    year, month = int(found[1]) * _MONTHS_PER_YEAR, found[2]
    if month is None:
        return MonthWindow(year, year + _MONTHS_PER_YEAR - 1)
    return MonthWindow(year + int(month) - 1, year + int(month) - 1)
