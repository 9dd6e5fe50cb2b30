"""Words that say when something begins: seasons, quarters, months and years, in several languages.

A document is indexed under each season, quarter, month and year in which it may begin, with and without the
year, so that one term answers each way of asking. A season takes in the month before it: what begins in the
middle of May is for the summer. South of the equator the seasons are the other way round.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from chassis.search.text_analysis import fold_text

_TERM_PREFIX: Final = "%starts-"
ANY_START_TERM: Final = f"{_TERM_PREFIX}any"
"""Of documents that do not say when they begin: no word about the time excludes them."""
MAX_START_MONTHS: Final = 24
OPEN_WINDOW_MONTHS: Final = 12
"""Months that a window without one of its ends takes in."""
_YEARS: Final = range(2020, 2050)

_SEASON_MONTHS: Final = {
    "spring": (2, 3, 4, 5),
    "summer": (5, 6, 7, 8),
    "autumn": (8, 9, 10, 11),
    "winter": (11, 12, 1, 2),
}
_QUARTER_MONTHS: Final = {
    f"q{number}": tuple(range(3 * number - 2, 3 * number + 1)) for number in (1, 2, 3, 4)
}
_OPPOSITE: Final = {"spring": "autumn", "summer": "winter", "autumn": "spring", "winter": "summer"}

_SEASON_WORDS: Final = """
spring fruhling fruhjahr printemps primavera lente voorjaar wiosna весна весной ربيع الربيع 春 春季
summer summers sommer ete verano verao zomer lato yaz лето летом летняя صيف الصيف 夏 夏季 夏期 夏天 여름
autumn fall herbst automne otono outono autunno herfst jesien sonbahar осень осенью خريف الخريف 秋 秋季 가을
winter hiver invierno inverno zima kis зима зимой зимняя شتاء الشتاء 冬 冬季 冬期 겨울
"""
_MONTH_WORDS: Final = """
january jan januar janner janvier enero janeiro gennaio januari styczen ocak январь января
february feb februar fevrier febrero fevereiro febbraio februari luty subat февраль февраля
march mar marz mars marzo marco maart marzec mart март марта
april apr avril abril aprile kwiecien nisan апрель апреля
may mai mayo maio maggio mei maj mayis май мая
june jun juni juin junio junho giugno czerwiec haziran июнь июня
july jul juli juillet julio julho luglio lipiec temmuz июль июля
august aug aout agosto augustus sierpien agustos август августа
september sep sept septembre septiembre setembro settembre wrzesien eylul сентябрь сентября
october oct oktober okt octobre octubre outubro ottobre pazdziernik ekim октябрь октября
november nov novembre noviembre novembro listopad kasim ноябрь ноября
december dec dezember dez decembre diciembre dezembro dicembre grudzien aralik декабрь декабря
"""
_ALSO_OTHER_WORDS: Final = frozenset(
    "spring fall lente ete lato zima kis primavera april august mars marco march may mai mayo maj mart ocak julio juni"
    " nisan ekim maart mei".split()
)
"""Words for a time that mean something else, too (`Spring`, a framework; `may`): they are one beside another
word for a time, after `in`, or beside a word that every document means."""


@dataclass(frozen=True, slots=True)
class StartTime:
    """A part of the year (a season, a quarter or a month, English and in lower case), a year, or both."""

    part: str = ""
    year: int = 0

    @property
    def term(self) -> str:
        """The term of documents that may begin then."""
        return _TERM_PREFIX + "-".join(filter(None, (str(self.year or ""), self.part)))

    @property
    def label(self) -> str:
        """The time in English, e.g. `summer 2027`."""
        return " ".join(filter(None, (self.part, str(self.year or ""))))

    def in_year(self, year: int) -> "StartTime":
        """Return the same part of one year."""
        return replace(self, year=year)


@dataclass(frozen=True, slots=True)
class _Month:
    year: int
    month: int

    def shifted(self, months: int) -> "_Month":
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return _Month(year, month + 1)


def _word_table() -> dict[str, StartTime]:
    seasons = zip(_SEASON_MONTHS, _SEASON_WORDS.strip().splitlines(), strict=True)
    months = ((line.split()[0], line) for line in _MONTH_WORDS.strip().splitlines())
    found = {fold_text(word): StartTime(part) for part, line in (*seasons, *months) for word in line.split()}
    quarters = {quarter: StartTime(quarter) for quarter in _QUARTER_MONTHS}
    return found | quarters | {str(year): StartTime(year=year) for year in _YEARS}


START_TIMES: Final = _word_table()
"""What each word for a time means."""
TIME_WORDS: Final = frozenset(START_TIMES)
MONTH_NAMES: Final = tuple(line.split()[0] for line in _MONTH_WORDS.strip().splitlines())
SEASON_TERMS: Final = tuple(StartTime(season).term for season in _SEASON_MONTHS)


def is_ambiguous_time(word: str) -> bool:
    """Whether a word for a time is an ordinary word or the beginning of one, too."""
    return word in _ALSO_OTHER_WORDS or (word.isascii() and word.isalpha() and len(word) <= 3)


@dataclass(frozen=True)
class StartWindow:
    """The days, ISO 8601, between which something begins; an end that is not known is empty."""

    first: str
    last: str
    is_southern: bool = False

    @cached_property
    def terms(self) -> frozenset[str]:
        """What it is indexed under."""
        months = list(self._months())
        if not months:
            return frozenset({ANY_START_TERM})
        return frozenset(time.term for month in months for time in self._times(month))

    def _months(self) -> Iterator[_Month]:
        first, last = _month_of(self.first), _month_of(self.last)
        if first is None and last is None:
            return
        if first is None:
            assert last is not None
            first = last.shifted(1 - OPEN_WINDOW_MONTHS)
        for number in range(MAX_START_MONTHS if last is not None else OPEN_WINDOW_MONTHS):
            month = first.shifted(number)
            if last is not None and (month.year, month.month) > (last.year, last.month):
                return
            yield month

    def _times(self, month: _Month) -> Iterator[StartTime]:
        yield StartTime(year=month.year)
        name = MONTH_NAMES[month.month - 1]
        quarter = f"q{(month.month + 2) // 3}"
        for part in (name, quarter):
            yield StartTime(part)
            yield StartTime(part, month.year)
        for season, months in _SEASON_MONTHS.items():
            if month.month not in months:
                continue
            part = _OPPOSITE[season] if self.is_southern else season
            yield StartTime(part)
            yield from (StartTime(part, year) for year in _season_years(month, months))


def _season_years(month: _Month, months: tuple[int, ...]) -> set[int]:
    """Return the years of a season: two for one over the turn of the year."""
    if months[0] < months[-1]:
        return {month.year}
    return {month.year, month.year + 1 if month.month >= months[0] else month.year - 1}


def _month_of(day: str) -> _Month | None:
    return _Month(int(day[:4]), int(day[5:7])) if day else None
