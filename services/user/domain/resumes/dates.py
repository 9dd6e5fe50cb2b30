"""Dates and periods as résumés write them, in English and German.

A date is written back as `2024`, `2024-10` or `2024-10-01`, as in a profile.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from services.user.domain.resumes.text import CELL_BREAK

MIN_YEAR: Final = 1950
MAX_YEAR: Final = 2099

_MONTH_NAMES: Final = (
    "january januar jan jänner", "february februar feb febr", "march märz mar mär mrz maerz", "april apr",
    "may mai", "june juni jun", "july juli jul", "august aug", "september sept sep", "october oktober oct okt",
    "november nov", "december dezember dec dez",
)  # fmt: skip
_MONTHS: Final = {name: at for at, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_MONTH: Final = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR: Final = r"(?:19[5-9]\d|20\d\d)"
_PRESENT: Final = (
    "present|now|today|current|currently|ongoing|date|"
    "heute|jetzt|aktuell|gegenwärtig|laufend|andauernd|dato|offen"
)
_POINT: Final = re.compile(
    rf"""(?<![\w+])(?:
      (?P<d1>\d{{1,2}})\.\s?(?P<m1>\d{{1,2}})\.\s?(?P<y1>{_YEAR})
    | (?P<y2>{_YEAR})-(?P<m2>0[1-9]|1[0-2])(?:-(?P<d2>[0-3]\d))?
    | (?P<m3>0?[1-9]|1[0-2])\s?[./]\s?(?P<y3>{_YEAR})
    | (?P<m31>0[1-9]|1[0-2])-(?P<y31>{_YEAR})
    | (?P<y4>{_YEAR})/(?P<m4>0[1-9]|1[0-2])
    | (?:(?P<d5>\d{{1,2}})(?:\.|st|nd|rd|th)?\s+)?(?P<m5>{_MONTH})\.?,?\s+(?:(?P<d51>\d{{1,2}}),\s*)?(?P<y5>{_YEAR}|['’`]\d\d)
    | (?P<m52>{_MONTH})\.?\s?(?P<y52>['’`]?\d\d)
    | (?P<season>w[s]|wise|wintersemester|s[s]|sose|sommersemester)\s*(?P<y6>{_YEAR}|\d\d)(?:\s?/\s?(?:20)?\d\d)?
    | (?:spring|summer|autumn|fall|winter|frühjahr|frühling|sommer|herbst)\s+(?P<y7>{_YEAR})
    | (?P<m8>0[1-9]|1[0-2])/(?P<y8>\d\d)
    | (?P<y9>{_YEAR})
    | (?P<month>{_MONTH})\.?
    | (?P<number>0?[1-9]|1[0-2])
    | (?P<present>{_PRESENT})
    )(?![\w])""",
    re.VERBOSE | re.IGNORECASE,
)
_FORESEEN: Final = r"expected|anticipated|est\.|voraussichtlich|vsl\.|vorauss\.|geplant|exp\."
_BETWEEN: Final = re.compile(
    rf"\s*(?:[-–—−~]+|\b(?:to|until|till|through|bis(?:\s+(?:zum|einschließlich))?)\b)\s*(?:\(?(?:{_FORESEEN})\s*:?\s*)?",
    re.IGNORECASE,
)
_SHORT_END: Final = re.compile(r"\s*[-–—/]\s*(\d\d)(?![\d./])")
_OPEN_END: Final = re.compile(r"\s*[-–—]\s*(?:\.{3}|…)?\s*(?=$|[\t|,;)])")
_SINCE: Final = re.compile(r"(?:\b(?:since|seit|ab|from)\s*:?\s*)$", re.IGNORECASE)
_FORESEEN_BEFORE: Final = re.compile(
    rf"(?:\b(?:{_FORESEEN}|graduation|graduating|abschluss|graduated)\s*:?\s*(?:in\s+|date\s*:?\s*)?)+$",
    re.IGNORECASE,
)
_FROM_BEFORE: Final = re.compile(r"(?:\b(?:from|von|vom)\s+)$", re.IGNORECASE)
_SEPARATING: Final = " \t,;:|·•–—-"
_OPENING: Final = f"{_SEPARATING}(["
_AFTER: Final = re.compile(rf"^(?:\(?(?:{_FORESEEN})\)?|[\s)\],;:|·•–—-])+", re.IGNORECASE)
_SEASON_MONTHS: Final = {"w": "10", "s": "04"}


@dataclass(frozen=True, slots=True)
class DateSpan:
    """A period in a text, from `begin` to `stop`; `is_range` is false for a single date, which is its `end`."""

    start: str
    end: str
    begin: int
    stop: int
    is_range: bool = True
    is_ongoing: bool = False


@dataclass(frozen=True, slots=True)
class _Point:
    begin: int
    stop: int
    value: str
    """A date; "" for the present, `-10` for a month that lacks its year."""

    @property
    def is_whole(self) -> bool:
        return bool(self.value) and not self.value.startswith("-")


def read_spans(text: str) -> tuple[DateSpan, ...]:
    """Return all periods and dates of a line, in order."""
    points = [point for point in map(_read_point, _POINT.finditer(text)) if point is not None]
    spans: list[DateSpan] = []
    at = 0
    while at < len(points):
        following = points[at + 1] if at + 1 < len(points) else None
        span, used = _read_span(text, points[at], following)
        if span is not None:
            spans.append(span)
        at += used
    return tuple(spans)


def first_period(text: str) -> DateSpan | None:
    """Return the line's first period, otherwise its only date, otherwise None."""
    spans = read_spans(text)
    ranges = [span for span in spans if span.is_range]
    if ranges:
        return ranges[0]
    return spans[0] if len(spans) == 1 else None


def is_date_only(text: str) -> bool:
    """Return whether the text is a period or a date and nothing else."""
    span = first_period(text)
    return span is not None and not without_span(text, span)


def without_span(text: str, span: DateSpan) -> str:
    """Return the text without the period, its brackets, and separators around it; cells stay apart."""
    before, after = text[: span.begin].rstrip(_OPENING), _AFTER.sub("", text[span.stop :])
    if not before or not after:
        return before.strip(_SEPARATING) or after.strip(_SEPARATING)
    removed = text[len(before) : len(text) - len(after)]
    return f"{before}{CELL_BREAK if CELL_BREAK in removed else ' '}{after}".strip(_SEPARATING)


def _read_span(text: str, point: _Point, following: _Point | None) -> tuple[DateSpan | None, int]:
    """Return the span that begins at a point, and the number of points that it takes."""
    between = text[point.stop : following.begin] if following else ""
    if following and point.value and _BETWEEN.fullmatch(between):
        span = _range_of(text, point, following)
        if span is not None:
            return span, 2
    if not point.is_whole:
        return None, 1
    begin = _begin_of(text, point)
    if short := _SHORT_END.match(text, point.stop):
        year = _whole_year(short[1])
        if len(point.value) == 4 and point.value <= year:
            return DateSpan(point.value, year, begin, short.end()), 1
    if _SINCE.search(text, 0, point.begin):
        return DateSpan(point.value, "", begin, point.stop, is_ongoing=True), 1
    if open_end := _OPEN_END.match(text, point.stop):
        return DateSpan(point.value, "", begin, open_end.end(), is_ongoing=True), 1
    return DateSpan("", point.value, begin, point.stop, is_range=False), 1


def _range_of(text: str, first: _Point, last: _Point) -> DateSpan | None:
    start = first.value
    if start.startswith("-"):
        if not last.is_whole or len(last.value) < 7:
            return None
        start = last.value[:4] + start
    if last.value.startswith("-"):
        return None
    begin = _begin_of(text, first)
    if not last.value:
        return DateSpan(start, "", begin, last.stop, is_ongoing=True)
    known = min(len(start), len(last.value))
    if last.value[:known] < start[:known]:
        return None
    return DateSpan(start, last.value, begin, last.stop)


def _begin_of(text: str, point: _Point) -> int:
    """Return where the date begins, with words such as `since` or `expected` before it."""
    for pattern in (_FORESEEN_BEFORE, _SINCE, _FROM_BEFORE):
        if found := pattern.search(text, 0, point.begin):
            return found.start()
    return point.begin


def _read_point(match: re.Match[str]) -> _Point | None:
    begin, stop = match.span()
    if match["present"]:
        return _Point(begin, stop, "")
    if name := match["month"] or match["number"]:
        return _Point(begin, stop, f"-{_month(name)}")
    if season := match["season"]:
        return _Point(begin, stop, f"{_whole_year(match['y6'])}-{_SEASON_MONTHS[season[0].lower()]}")
    parts = {"y": "", "m": "", "d": ""}
    parts |= {name[0]: value for name, value in match.groupdict().items() if value}
    return _dated(begin, stop, _whole_year(parts["y"].lstrip("'’`")), parts["m"], parts["d"])


def _dated(begin: int, stop: int, year: str, month: str, day: str) -> _Point | None:
    number = _month(month) if month else "01"
    try:
        date(int(year), int(number), int(day or 1))
    except ValueError:
        return None
    value = "-".join([year, *([number] if month else []), *([f"{int(day):02}"] if day else [])])
    return _Point(begin, stop, value) if MIN_YEAR <= int(year) <= MAX_YEAR else None


def _month(text: str) -> str:
    return f"{int(text):02}" if text.isdigit() else f"{_MONTHS[text.lower()]:02}"


def _whole_year(text: str) -> str:
    """Return a year of four digits: those of two are of this century up to 69."""
    if len(text) == 4:
        return text
    return f"{'20' if int(text) < 70 else '19'}{text}"
