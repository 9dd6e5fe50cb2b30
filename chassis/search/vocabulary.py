"""All words of the index with their document counts, for completions and corrections."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest
from math import log2
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

from chassis.search.text_analysis import STEM_MARK

TERM_MARKS: Final = (STEM_MARK, "=", "%")
"""The first characters of terms that are no words: stems, names and places."""

MAX_COMPLETIONS: Final = 16
MAX_CORRECTIONS: Final = 12
_RARENESS_STEP: Final = 4
_MIN_CORRECTED_CHARS: Final = 4
"""Letters of the shortest words that are corrected; another letter in one of them makes another word."""
_MAX_SHORT_CHARS: Final = 6
_MAX_CODE_POINT: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class SpellingCorrection:
    """A known word and its edit distance in letters."""

    word: str
    distance: int


class Vocabulary:
    """Terms and their counts; counts only guide ranking, so a small drift does no harm.

    `name_words` are the words of what documents are about (titles, skills, names): a short word is only taken
    for a misspelling of one of these, as every other one is near to some word of a sentence. None: all are.
    """

    def __init__(
        self,
        counts: Mapping[str, int] | None = None,
        listings: int = 0,
        name_words: Iterable[str] | None = None,
    ) -> None:
        self._counts: Counter[str] = Counter(counts or {})
        self._listings = listings
        self._name_words = None if name_words is None else set(name_words)
        self._sorted: list[str] | None = None
        self._by_length: dict[int, list[str]] = {}

    def add(self, terms: Iterable[str]) -> None:
        """Count one more document with these terms."""
        for term in terms:
            if term not in self._counts:
                self._sorted = None
            self._counts[term] += 1
        self._listings += 1

    def add_name_words(self, words: Iterable[str]) -> None:
        """Know more words of what documents are about."""
        if self._name_words is not None:
            self._name_words.update(words)

    @property
    def document_count(self) -> int:
        """The approximate number of documents."""
        return self._listings

    def count(self, term: str) -> int:
        """Return the number of documents with the term."""
        return self._counts.get(term, 0)

    def rareness(self, terms: Iterable[str]) -> int:
        """Return the weight of a match of one of the terms: from 1 (in every document), by powers of two."""
        holding = sum(self.count(term) for term in terms)
        return 1 + round(_RARENESS_STEP * log2((self._listings + 1) / min(holding + 1, self._listings + 1)))

    def completions(self, start: str) -> list[str]:
        """Return the most frequent longer words that begin like this."""
        words = self._words()
        low, high = bisect_left(words, start), bisect_left(words, start + _MAX_CODE_POINT)
        longer = (word for word in words[low:high] if word != start)
        return nlargest(MAX_COMPLETIONS, longer, key=self.count)

    def corrections(self, word: str, extra_distance: int = 0) -> list[SpellingCorrection]:
        """Return known words that a misspelling may stand for, nearest first.

        Words of 4 to 7 letters may have one wrong, missing, added or swapped letter, longer ones two;
        `extra_distance` allows more, where a correction is only suggested.
        """
        most = _max_edit_distance(word) and _max_edit_distance(word) + extra_distance
        if most == 0:
            return []
        self._words()
        near = (found for found in self._near(word, most) if self._is_plausible(word, found.word))
        nearest = sorted(near, key=lambda found: (found.distance, -self.count(found.word)))
        return nearest[:MAX_CORRECTIONS]

    def _is_plausible(self, typed: str, known: str) -> bool:
        """Whether it may be meant: `fall` is no misspelling of `fail`, nor `sound` one of `found`."""
        if len(typed) > _MAX_SHORT_CHARS:
            return True
        if typed[0] != known[0] or (self._name_words is not None and known not in self._name_words):
            return False
        return len(typed) > _MIN_CORRECTED_CHARS or len(typed) != len(known) or sorted(typed) == sorted(known)

    def _near(self, word: str, most: int) -> Iterator[SpellingCorrection]:
        for length in range(len(word) - most, len(word) + most + 1):
            found = process.extract(
                word,
                self._by_length.get(length, ()),
                scorer=DamerauLevenshtein.distance,
                score_cutoff=most,
                limit=MAX_CORRECTIONS,
            )
            yield from (SpellingCorrection(known, int(distance)) for known, distance, _ in found)

    def _words(self) -> list[str]:
        if self._sorted is None:
            self._sorted = sorted(term for term in self._counts if not term.startswith(TERM_MARKS))
            by_length = defaultdict(list)
            for word in self._sorted:
                by_length[len(word)].append(word)
            self._by_length = dict(by_length)
        return self._sorted


def _max_edit_distance(word: str) -> int:
    if not word.isalpha() or len(word) < _MIN_CORRECTED_CHARS:
        return 0
    return 1 if len(word) <= 7 else 2
