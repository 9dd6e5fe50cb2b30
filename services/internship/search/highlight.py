"""What a hit shows of why it was found: marked words, a passage, and where words were found."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, Final

from chassis.search.reading import Word
from chassis.search.text import WORD, analysed, composed, is_run, pairs_of

PASSAGE_LETTERS: Final = 220
LEAD_LETTERS: Final = 40

Match = Any


class _Known(dict[str, bool]):
    """Whether a spelling is wanted, worked out once for each."""

    def __init__(self, wanted: frozenset[str]) -> None:
        super().__init__()
        self._wanted = wanted

    def __missing__(self, spelling: str) -> bool:
        word, stem = analysed(spelling)
        terms = (word, stem, *pairs_of(word)) if is_run(word) else (word, stem)
        self[spelling] = answer = not self._wanted.isdisjoint(filter(None, terms))
        return answer


class Highlighter:
    """Finds the words of one question in texts; kept for a page, it knows each spelling after the first."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._known = _Known(frozenset(term for word in words for term in (*word.qualities, *word.marks)))
        self._idle = not words

    def marked(self, text: str) -> str:
        """The text as HTML with `<em>` around the wanted words; everything else is escaped."""
        plain = composed(text)
        return _marked(plain, self._matches(plain))

    def passage(self, text: str) -> str:
        """The passage of a text that holds most of the wanted words, marked, with `…` where it was cut."""
        whole = " ".join(composed(text).split())
        matches = self._matches(whole)
        start = _best_start(whole, matches)
        end = start + PASSAGE_LETTERS
        if end < len(whole):
            end = max(whole.rfind(" ", start, end), start + PASSAGE_LETTERS // 2)
        within = [match for match in matches if start <= match.start() and match.end() <= end]
        cut = _marked(whole[:end], within, start)
        return f"{'…' if start else ''}{cut}{'…' if end < len(whole) else ''}"

    def found_in(self, text: str) -> list[str]:
        """The words of the question, as the text spells them, each once."""
        found = (match[0] for match in self._matches(composed(text)))
        return list({word.casefold(): word for word in found}.values())

    def _matches(self, text: str) -> list[Match]:
        if self._idle:
            return []
        known = self._known
        return [match for match in WORD.finditer(text) if known[match[0]]]


def _marked(text: str, matches: Iterable[Match], start: int = 0) -> str:
    return "".join(_marked_parts(text, matches, start))


def _marked_parts(text: str, matches: Iterable[Match], done: int) -> Iterator[str]:
    for match in matches:
        yield escape(text[done : match.start()])
        yield f"<em>{escape(match[0])}</em>"
        done = match.end()
    yield escape(text[done:])


def _best_start(text: str, matches: Sequence[Match]) -> int:
    if not matches or matches[-1].end() <= PASSAGE_LETTERS:
        return 0
    best = max(matches, key=lambda first: (_different_after(matches, first), -first.start()))
    if best.start() <= LEAD_LETTERS:
        return 0
    return text.find(" ", best.start() - LEAD_LETTERS, best.start()) + 1 or best.start()


def _different_after(matches: Sequence[Match], first: Match) -> int:
    end = first.start() + PASSAGE_LETTERS - LEAD_LETTERS
    return len({max(analysed(match[0])) for match in matches if first.start() <= match.start() < end})
