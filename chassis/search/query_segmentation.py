"""The segments of a search: names, places, phrases with a meaning, uninformative words, other words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

from chassis.search.gazetteer import MAX_NAME_WORDS, Gazetteer, GazetteerEntry
from chassis.search.synonyms import SynonymSet, canonical_term, is_ambiguous, match_synonym_at
from chassis.search.text_analysis import Token, name_key
from chassis.search.vocabulary import Vocabulary

CONNECTOR_WORDS: Final = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "into",
        "is",
        "it",
        "its",
        "near",
        "of",
        "on",
        "or",
        "our",
        "around",
        "close",
        "the",
        "that",
        "their",
        "this",
        "to",
        "we",
        "with",
        "within",
        "you",
        "your",
        "me",
        "my",
        "us",
        "who",
        "am",
        "der",
        "die",
        "das",
        "den",
        "dem",
        "und",
        "oder",
        "im",
        "mit",
        "fur",
        "von",
        "zu",
        "bei",
        "am",
        "an",
        "auf",
        "als",
        "ein",
        "eine",
        "et",
        "ou",
        "le",
        "la",
        "les",
        "des",
        "de",
        "du",
        "dans",
        "pres",
        "chez",
        "en",
        "un",
        "une",
        "y",
        "o",
        "el",
        "los",
        "las",
        "con",
        "para",
        "cerca",
        "del",
        "em",
        "no",
        "na",
        "do",
        "da",
        "e",
        "i",
        "w",
        "na",
        "we",
        "dla",
        "и",
        "в",
        "на",
        "для",
        "с",
        "по",
        "का",
        "के",
        "की",
        "में",
        "से",
        "و",
        "في",
        "من",
        "على",
        "で",
        "の",
        "を",
        "に",
        "は",
        "が",
        "と",
        "も",
        "へ",
        "から",
        "まで",
    ]
)
"""Words that join others and are not required."""
_BEFORE_PLACES: Final = frozenset(
    [
        "in",
        "at",
        "near",
        "around",
        "from",
        "im",
        "bei",
        "nahe",
        "a",
        "en",
        "em",
        "dans",
        "pres",
        "chez",
        "cerca",
        "w",
        "в",
        "में",
        "في",
    ]
)
_UPPERCASE_PLACES: Final = frozenset({"us", "la", "ny", "sf", "uk", "uae", "usa", "nyc"})
"""Two- and three-letter names of places; those that are also words count only in capitals or after `in`."""
_ALWAYS_PLACES: Final = frozenset({"uk", "usa", "uae", "nyc", "ny", "sf"})
_NO_PLACES: Final = frozenset(
    {"bank", "google", "human", "media", "meta", "part", "progress", "rust", "sales", "street"}
)
"""Names of places that mean a subject, a skill or a company in searches, also after `in`."""
_MIN_UNKNOWN_PLACE_POPULATION: Final = 100_000
"""The population from which an alternate name means a city even though no document is about it."""


class SegmentKind(StrEnum):
    """The kind of a segment of a search."""

    WORD = "WORD"
    NAME = "NAME"
    PLACE = "PLACE"
    PHRASE = "PHRASE"
    ORDINARY = "ORDINARY"
    CONNECTOR = "CONNECTOR"


@dataclass(frozen=True, slots=True)
class ImpliedFilter:
    """A filter that words stand for: its name, its value as the filter takes it, and its index term."""

    name: str
    value: str
    term: str


@dataclass(frozen=True, slots=True)
class QuerySegment:
    """Tokens that belong together, and their meaning."""

    kind: SegmentKind
    tokens: tuple[Token, ...]
    name: SynonymSet | None = None
    place: GazetteerEntry | None = None
    filter: ImpliedFilter | None = None

    @property
    def is_required(self) -> bool:
        """Whether a document must match it."""
        return self.kind not in {SegmentKind.ORDINARY, SegmentKind.CONNECTOR}


@dataclass(frozen=True)
class QueryGrammar:
    """The words of one subject: `uninformative_words`, which fit every document; `phrases` that stand for a
    filter; and `literal_phrases`, which look like one and are not (`remote sensing`).
    """

    uninformative_words: frozenset[str]
    phrases: Mapping[str, ImpliedFilter] = field(default_factory=dict)
    literal_phrases: frozenset[str] = frozenset()

    @cached_property
    def incomplete_prefixes(self) -> tuple[str, ...]:
        """The words without a meaning of their own that an unfinished word may become."""
        return (*self.uninformative_words, *(phrase.split()[0] for phrase in self.phrases))

    def segment(
        self, tokens: Sequence[Token], vocabulary: Vocabulary, places: Gazetteer
    ) -> list[QuerySegment]:
        """Return the segments of a search, in order: at each token the longest one that begins there."""
        reader = _Segmenter(self, tokens, vocabulary, places)
        parts: list[QuerySegment] = []
        while (at := sum(len(part.tokens) for part in parts)) < len(tokens):
            parts.append(reader.part_at(at, parts))
        return [reader.within_named_country(part, parts) for part in parts]


@dataclass(frozen=True)
class _Segmenter:
    grammar: QueryGrammar
    tokens: Sequence[Token]
    vocabulary: Vocabulary
    places: Gazetteer

    def part_at(self, at: int, before: Sequence[QuerySegment]) -> QuerySegment:
        found = (*self._phrases(at), *self._name(at), *self._place(at, before), *self._single(at))
        return max(found, key=lambda part: len(part.tokens))

    def _phrases(self, at: int) -> Iterator[QuerySegment]:
        for length in range(MAX_NAME_WORDS, 0, -1):
            key = self._key(at, length)
            if key in self.grammar.literal_phrases:
                yield QuerySegment(SegmentKind.WORD, self._tokens(at, length))
            if meaning := self.grammar.phrases.get(key):
                yield QuerySegment(SegmentKind.PHRASE, self._tokens(at, length), filter=meaning)

    def _name(self, at: int) -> Iterator[QuerySegment]:
        found = match_synonym_at(self.tokens, at, is_prose=False)
        if found is None or not self._is_meant(at, found[0]):
            return
        if any(self.vocabulary.count(term) for term in index_terms_of(found[0])):
            yield QuerySegment(SegmentKind.NAME, self._tokens(at, found[1]), name=found[0])

    def _is_meant(self, at: int, name: SynonymSet) -> bool:
        """Return whether the name is meant: `it` in capitals, alone or first; `Go` and `R` in any case."""
        token = self.tokens[at]
        if token.folded != "it" or not is_ambiguous(token):
            return True
        shouted = token.text == "IT" and any(each.text.upper() != each.text for each in self.tokens)
        return at == 0 or shouted or self._is_ordinary(at + 1)

    def _is_ordinary(self, at: int) -> bool:
        return at < len(self.tokens) and self.tokens[at].folded in self.grammar.uninformative_words

    def _place(self, at: int, before: Sequence[QuerySegment]) -> Iterator[QuerySegment]:
        for length in range(min(MAX_NAME_WORDS, len(self.tokens) - at), 0, -1):
            tokens = self._tokens(at, length)
            led = bool(before) and before[-1].tokens[-1].folded in _BEFORE_PLACES
            if length == 1 and not _may_be_place(tokens[0], led=led):
                continue
            candidates = _sort_by_likelihood(self.places.find(" ".join(token.text for token in tokens)))
            place = next((each for each in candidates if self.vocabulary.count(each.term)), None)
            place = place or next(iter(candidates), None)
            if place is not None and self._is_likely(tokens, place, led=led):
                yield QuerySegment(SegmentKind.PLACE, tokens, place=place)

    def within_named_country(self, part: QuerySegment, parts: Sequence[QuerySegment]) -> QuerySegment:
        """Return the place in the country that the search names: `London, Canada` is not in England."""
        named = {each.place.country for each in parts if each.place is not None and not each.place.is_city}
        if part.place is None or not part.place.is_city or not named or part.place.country in named:
            return part
        found = self.places.cities(" ".join(token.text for token in part.tokens))
        return replace(part, place=next((each for each in found if each.country in named), part.place))

    def _is_likely(self, tokens: Sequence[Token], place: GazetteerEntry, *, led: bool) -> bool:
        """Return whether the word means the place: `reading` does not, since hardly any document is about Reading."""
        located = self.vocabulary.count(place.term)
        if led or len(tokens) > 1:
            return True
        spoken = self.vocabulary.count(tokens[0].folded)
        if not (spoken or located):
            if self.vocabulary.completions(tokens[0].folded):
                return False
            own_name = name_key(place.name) == tokens[0].folded or not tokens[0].folded.isascii()
            return own_name or not place.is_city or place.population >= _MIN_UNKNOWN_PLACE_POPULATION
        return spoken <= 2 * located

    def _single(self, at: int) -> Iterator[QuerySegment]:
        token = self.tokens[at]
        if token.folded in self.grammar.uninformative_words:
            yield QuerySegment(SegmentKind.ORDINARY, (token,))
        elif token.folded in CONNECTOR_WORDS:
            yield QuerySegment(SegmentKind.CONNECTOR, (token,))
        else:
            yield QuerySegment(SegmentKind.WORD, (token,))

    def _tokens(self, at: int, length: int) -> tuple[Token, ...]:
        return tuple(self.tokens[at : at + length])

    def _key(self, at: int, length: int) -> str:
        return (
            " ".join(token.folded for token in self._tokens(at, length))
            if at + length <= len(self.tokens)
            else ""
        )


def index_terms_of(name: SynonymSet) -> Iterable[str]:
    """Return the terms that stand for a name: its own and those of names of nearly the same meaning."""
    return (name.term, *(canonical_term(label) for label in name.related))


def _may_be_place(token: Token, *, led: bool) -> bool:
    if token.folded in _NO_PLACES:
        return False
    if token.folded in _UPPERCASE_PLACES:
        return token.folded in _ALWAYS_PLACES or token.text.isupper() or (led and token.folded == "us")
    return token.folded not in CONNECTOR_WORDS and (
        len(token.folded) > 3 or not token.folded.isascii() or led
    )


def _sort_by_likelihood(found: Iterable[GazetteerEntry]) -> list[GazetteerEntry]:
    """Return the places by likelihood: countries, then large cities, then states and all others."""

    def order(place: GazetteerEntry) -> tuple[int, int]:
        if not place.is_city:
            return (2, 0) if place.region else (0, 0)
        return (1 if place.population >= _MIN_LARGE_CITY_POPULATION else 3, -place.population)

    return sorted(found, key=order)


_MIN_LARGE_CITY_POPULATION: Final = 500_000
