"""Completions of a typed text from this process's copy of the index's vocabulary, without a query."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chassis.search.gazetteer import Gazetteer, GazetteerEntry
from chassis.search.synonyms import SYNONYM_SETS
from chassis.search.text_analysis import fold_text
from services.internship.search.lexicon import Lexicon
from services.internship.search.phrases import Phrase, PhraseKind, phrase_lookup_key

DEFAULT_SUGGESTIONS: Final = 10
MAX_PLACE_NAMES: Final = 200
_MIN_PLACE_START_CHARS: Final = 3


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A completion, and the approximate number of open listings with it."""

    phrase: Phrase
    count: int


@dataclass(frozen=True)
class SuggestCompletions:
    """The use case of completions."""

    lexicon: Lexicon
    places: Gazetteer

    def completions(self, text: str, limit: int) -> list[Suggestion]:
        """Return at most `limit` completions, the best first: as typed, by aliases, by corrections."""
        typed = phrase_lookup_key(text)
        if not typed:
            return []
        found: dict[tuple[PhraseKind, str], Phrase] = {}
        for phrase in self._phrases(typed, limit):
            found.setdefault((phrase.kind, fold_text(phrase.name)), phrase)
            if len(found) == limit:
                break
        return [
            Suggestion(phrase, self.lexicon.phrases.count(phrase.kind, phrase.key))
            for phrase in found.values()
        ]

    def _phrases(self, typed: str, limit: int) -> Iterator[Phrase]:
        as_typed = self.lexicon.phrases.completions(typed, limit)
        yield from as_typed
        yield from self._aliases(typed)
        yield from self._places(typed)
        if not as_typed and (meant := self._corrected_text(typed)) != typed:
            yield from self.lexicon.phrases.completions(meant, limit)

    def _aliases(self, typed: str) -> Iterator[Phrase]:
        """Yield skills by their aliases: `k8s` completes to Kubernetes if a listing asks for it."""
        for name in SYNONYM_SETS:
            if any(fold_text(spelling).startswith(typed) for spelling in name.spellings):
                phrase = self.lexicon.phrases.find_phrase(PhraseKind.SKILL, fold_text(name.label))
                yield from () if phrase is None else (phrase,)

    def _places(self, typed: str) -> Iterator[Phrase]:
        """Yield cities by their other names: `münch` completes to Munich if a listing is there."""
        if len(typed) < _MIN_PLACE_START_CHARS and typed.isascii():
            return
        found = self.places.starting_with(typed, MAX_PLACE_NAMES)
        known = [phrase for place in found if (phrase := self._find_place_phrase(place))]
        yield from sorted(known, key=lambda phrase: -self.lexicon.phrases.count(phrase.kind, phrase.key))

    def _find_place_phrase(self, place: GazetteerEntry) -> Phrase | None:
        return self.lexicon.phrases.find_phrase(PhraseKind.PLACE, place.term)

    def _corrected_text(self, typed: str) -> str:
        vocabulary = self.lexicon.vocabulary
        *before, last = typed.split()
        words = [*(self._nearest_word(word) for word in before)]
        return " ".join([*words, last if vocabulary.completions(last) else self._nearest_word(last)])

    def _nearest_word(self, word: str) -> str:
        vocabulary = self.lexicon.vocabulary
        if vocabulary.count(word):
            return word
        return next((each.word for each in vocabulary.corrections(word)), word)
