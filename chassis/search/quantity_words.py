"""Numbers with a unit, such as `12 weeks`, `3-6 months` or `20h`, as the terms under which documents have them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Final

import regex

MAX_QUANTITY: Final = 110
_MAX_NUMBER_CHARS: Final = 3
_NUMBER_WORDS: Final = {
    word: number
    for number, words in enumerate(
        ("one", "two zwei deux dos due dois", "three drei trois tres tre", "four vier quatre cuatro quattro quatro",
         "five funf cinq cinco cinque", "six sechs seis sei", "seven sieben", "eight acht", "nine neun",
         "ten zehn", "eleven elf", "twelve zwolf douze doce"),
        start=1,
    )
    for word in words.split()
}  # fmt: skip
_RANGE_WORDS: Final = frozenset(["to", "bis", "a", "or", "und", "and"])
_WITH_UNIT: Final = regex.compile(r"([0-9]{1,3})(\p{L}+)")


@dataclass(frozen=True, slots=True)
class QuantityUnit:
    """A unit: the filter that it belongs to, and how many indexed units one of it makes, at least and at most."""

    filter_name: str
    term_prefix: str
    low: float = 1
    high: float = 1


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, or a span of numbers, of indexed units; `length` is of how many words it was read."""

    unit: QuantityUnit
    first: int
    last: int
    length: int

    @property
    def label(self) -> str:
        """The number, or both ends of the span, e.g. `12-14`."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    @property
    def terms(self) -> tuple[str, ...]:
        """Return what documents that have it are indexed under."""
        return tuple(f"{self.unit.term_prefix}{number}" for number in range(self.first, self.last + 1))


def read_quantity(words: Sequence[str], units: Mapping[str, QuantityUnit]) -> Quantity | None:
    """Return the number with its unit with which folded words begin."""
    numbers, rest = _read_numbers(words)
    if rest >= len(words):
        return None
    if glued := _WITH_UNIT.fullmatch(words[rest]):
        numbers.append(int(glued[1]))
    unit = units.get(glued[2] if glued else words[rest])
    if unit is None or not numbers or len(numbers) > 2:
        return None
    first, last = floor(min(numbers) * unit.low), ceil(max(numbers) * unit.high)
    return Quantity(unit, first, last, rest + 1) if 0 < first <= last <= MAX_QUANTITY else None


def _read_numbers(words: Sequence[str]) -> tuple[list[int], int]:
    """Return up to two numbers and the position behind them."""
    found: list[int] = []
    at = 0
    for word in words:
        if (number := _number_of(word)) is not None:
            found.append(number)
        elif not (found and word in _RANGE_WORDS and _has_number(words[at + 1 : at + 2])):
            break
        at += 1
    return found, at


def _number_of(word: str) -> int | None:
    if word.isascii() and word.isdigit() and len(word) <= _MAX_NUMBER_CHARS:
        return int(word)
    return _NUMBER_WORDS.get(word)


def _has_number(words: Sequence[str]) -> bool:
    return any(_number_of(word) is not None or _WITH_UNIT.fullmatch(word) for word in words)


def quantity_terms(prefix: str, number: int) -> Iterator[str]:
    """Yield what a document with this number is indexed under; nothing where it is not known."""
    if number:
        yield f"{prefix}{number}"
