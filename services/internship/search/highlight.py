"""What a hit shows of why it was found: marked words, a passage, and reasons."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from math import asin, cos, radians, sin, sqrt
from typing import Final

from .query import Word
from .text import Token, composed, tokens

PASSAGE_LETTERS: Final = 220
LEAD_LETTERS: Final = 40
EARTH_RADIUS_KM: Final = 6371.0088


def wanted_terms(words: Iterable[Word]) -> frozenset[str]:
    """All terms that the words of a question may stand for."""
    return frozenset(term for word in words for term in word.qualities)


def marked(text: str, wanted: frozenset[str]) -> str:
    """The text as HTML with `<em>` around the wanted words; everything else is escaped."""
    return _mark(composed(text), wanted)


def passage(text: str, wanted: frozenset[str]) -> str:
    """The passage of a text that holds most of the wanted words, marked, with `…` where it was cut."""
    whole = " ".join(composed(text).split())
    start = _best_start(whole, [token for token in tokens(whole) if _matches(token, wanted)])
    end = start + PASSAGE_LETTERS
    if end < len(whole):
        end = max(whole.rfind(" ", start, end), start + PASSAGE_LETTERS // 2)
    cut = _mark(whole[start:end], wanted)
    return f"{'…' if start else ''}{cut}{'…' if end < len(whole) else ''}"


def found_in(text: str, words: Sequence[Word]) -> list[str]:
    """The words of the question, as the text spells them, each once."""
    plain = composed(text)
    wanted = wanted_terms(words)
    found = (plain[token.start : token.end] for token in tokens(plain) if _matches(token, wanted))
    return list({word.casefold(): word for word in found}.values())


def distance_km(lat: float, lng: float, other_lat: float, other_lng: float) -> float:
    """The way between two points in degrees as the crow flies (haversine)."""
    lat_1, lat_2 = radians(lat), radians(other_lat)
    over = sin((lat_2 - lat_1) / 2) ** 2 + cos(lat_1) * cos(lat_2) * sin(radians(other_lng - lng) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(over)))


def _matches(token: Token, wanted: frozenset[str]) -> bool:
    return token.word in wanted or (bool(token.stem) and token.stem in wanted)


def _mark(text: str, wanted: frozenset[str]) -> str:
    return "".join(_marked_parts(text, wanted))


def _marked_parts(text: str, wanted: frozenset[str]) -> Iterator[str]:
    done = 0
    for token in tokens(text):
        if _matches(token, wanted):
            yield escape(text[done : token.start])
            yield f"<em>{escape(text[token.start : token.end])}</em>"
            done = token.end
    yield escape(text[done:])


def _best_start(text: str, matches: Sequence[Token]) -> int:
    if not matches or matches[-1].end <= PASSAGE_LETTERS:
        return 0
    best = max(matches, key=lambda first: (_different_after(matches, first), -first.start))
    if best.start <= LEAD_LETTERS:
        return 0
    return text.find(" ", best.start - LEAD_LETTERS, best.start) + 1 or best.start


def _different_after(matches: Sequence[Token], first: Token) -> int:
    end = first.start + PASSAGE_LETTERS - LEAD_LETTERS
    return len({token.stem or token.word for token in matches if first.start <= token.start < end})
