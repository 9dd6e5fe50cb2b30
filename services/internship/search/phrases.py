"""Phrases for completions: whole titles, skills, companies and cities of open listings."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from heapq import nlargest
from itertools import islice
from typing import Final

from chassis.search.text_analysis import fold_text, tokenize

MAX_SCANNED_PHRASES: Final = 2_000
"""Phrases with the typed prefix of which the most frequent are taken: this bounds the cost of one letter."""


class PhraseKind(StrEnum):
    """The kind of a phrase."""

    TITLE = "TITLE"
    SKILL = "SKILL"
    COMPANY = "COMPANY"
    PLACE = "PLACE"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A name, by its kind and the key that its spellings share."""

    kind: PhraseKind
    key: str
    name: str


class PhraseIndex:
    """Phrases with their approximate numbers of listings, found by the prefix of any of their words."""

    def __init__(self, counts: Iterable[tuple[Phrase, int]] = ()) -> None:
        self._counts: dict[tuple[PhraseKind, str], int] = {}
        self._names: dict[tuple[PhraseKind, str], Phrase] = {}
        self._words: dict[tuple[PhraseKind, str], str] = {}
        self._starts: list[tuple[str, PhraseKind, str]] = []
        for phrase, count in counts:
            self._count(phrase, count)
        self._starts = sorted(start for phrase in self._names.values() for start in _phrase_starts(phrase))

    def add(self, phrases: Iterable[Phrase]) -> None:
        """Count one more listing with these phrases."""
        for phrase in phrases:
            if self._count(phrase, 1):
                for start in _phrase_starts(phrase):
                    insort(self._starts, start)

    def _count(self, phrase: Phrase, count: int) -> bool:
        """Count a phrase; return whether it is a new one."""
        identity = (phrase.kind, phrase.key)
        is_new = identity not in self._counts
        if is_new:
            self._names[identity] = phrase
            self._words[identity] = phrase_lookup_key(phrase.name)
        self._counts[identity] = self._counts.get(identity, 0) + count
        return is_new

    def count(self, kind: PhraseKind, key: str) -> int:
        """Return the approximate number of listings with the phrase."""
        return self._counts.get((kind, key), 0)

    def find_phrase(self, kind: PhraseKind, key: str) -> Phrase | None:
        """Return the phrase of a kind with this key."""
        return self._names.get((kind, key))

    def completions(self, start: str, limit: int) -> list[Phrase]:
        """Return the most frequent phrases with a word that begins so; whole phrases that do come first."""
        found = dict.fromkeys(islice(self._keys_starting_with(start), MAX_SCANNED_PHRASES))
        best = nlargest(
            limit, found, key=lambda each: (self._words[each].startswith(start), self._counts[each])
        )
        return [self._names[identity] for identity in best]

    def _keys_starting_with(self, start: str) -> Iterator[tuple[PhraseKind, str]]:
        for at in range(bisect_left(self._starts, (start,)), len(self._starts)):
            words, kind, key = self._starts[at]
            if not words.startswith(start):
                return
            yield kind, key


def phrase_lookup_key(text: str) -> str:
    """Return the key by which a typed text is looked up among phrases."""
    return " ".join(token.folded for token in tokenize(fold_text(text)))


def _phrase_starts(phrase: Phrase) -> Iterator[tuple[str, PhraseKind, str]]:
    words = phrase_lookup_key(phrase.name).split()
    for at in range(len(words)):
        yield " ".join(words[at:]), phrase.kind, phrase.key
