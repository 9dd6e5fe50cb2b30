"""The reasons of a hit: marked words, a snippet, and the matched words."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, Final

from chassis.search.query_parser import QueryTerm
from chassis.search.text_analysis import (
    WORD_PATTERN,
    analyze_word,
    character_bigrams,
    compose_nfc,
    is_unspaced,
)

MAX_SNIPPET_CHARS: Final = 220
SNIPPET_LEAD_CHARS: Final = 40

Match = Any


class _SpellingMatches(dict[str, bool]):
    """Whether each spelling is wanted, computed once."""

    def __init__(self, wanted: frozenset[str]) -> None:
        super().__init__()
        self._wanted = wanted

    def __missing__(self, spelling: str) -> bool:
        word, stem = analyze_word(spelling)
        terms = (word, stem, *character_bigrams(word)) if is_unspaced(word) else (word, stem)
        self[spelling] = answer = not self._wanted.isdisjoint(filter(None, terms))
        return answer


class Highlighter:
    """Finds the words of one query in texts; use one for a page, as it caches spellings."""

    def __init__(self, words: Sequence[QueryTerm]) -> None:
        self._known = _SpellingMatches(
            frozenset(term for word in words for term in (*word.qualities, *word.highlights))
        )
        self._has_no_words = not words

    def highlight(self, text: str) -> str:
        """Return the text as HTML with `<em>` around the wanted words; everything else is escaped."""
        plain = compose_nfc(text)
        return _mark_matches(plain, self._matches(plain))

    def snippet(self, text: str) -> str:
        """Return the passage of a text with the most wanted words, marked; `…` stands where it is cut."""
        whole = " ".join(compose_nfc(text).split())
        matches = self._matches(whole)
        start = _best_snippet_start(whole, matches)
        end = start + MAX_SNIPPET_CHARS
        if end < len(whole):
            end = max(whole.rfind(" ", start, end), start + MAX_SNIPPET_CHARS // 2)
        within = [match for match in matches if start <= match.start() and match.end() <= end]
        cut = _mark_matches(whole[:end], within, start)
        return f"{'…' if start else ''}{cut}{'…' if end < len(whole) else ''}"

    def matched_words(self, text: str) -> list[str]:
        """Return the words of the query, as the text spells them, each once."""
        found = (match[0] for match in self._matches(compose_nfc(text)))
        return list({word.casefold(): word for word in found}.values())

    def _matches(self, text: str) -> list[Match]:
        if self._has_no_words:
            return []
        known = self._known
        return [match for match in WORD_PATTERN.finditer(text) if known[match[0]]]


def _mark_matches(text: str, matches: Iterable[Match], start: int = 0) -> str:
    return "".join(_mark_parts(text, matches, start))


def _mark_parts(text: str, matches: Iterable[Match], done: int) -> Iterator[str]:
    for match in matches:
        yield escape(text[done : match.start()])
        yield f"<em>{escape(match[0])}</em>"
        done = match.end()
    yield escape(text[done:])


def _best_snippet_start(text: str, matches: Sequence[Match]) -> int:
    if not matches or matches[-1].end() <= MAX_SNIPPET_CHARS:
        return 0
    best = max(matches, key=lambda first: (_count_different_after(matches, first), -first.start()))
    if best.start() <= SNIPPET_LEAD_CHARS:
        return 0
    return text.find(" ", best.start() - SNIPPET_LEAD_CHARS, best.start()) + 1 or best.start()


def _count_different_after(matches: Sequence[Match], first: Match) -> int:
    end = first.start() + MAX_SNIPPET_CHARS - SNIPPET_LEAD_CHARS
    return len({max(analyze_word(match[0])) for match in matches if first.start() <= match.start() < end})
