"""The segments of a search: names, places, phrases with a meaning, uninformative words, other words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

from chassis.search.gazetteer import MAX_NAME_WORDS, Gazetteer, GazetteerEntry
from chassis.search.quantity_words import QuantityUnit, read_quantity
from chassis.search.query_words import (
    ALWAYS_PLACES,
    BEFORE_PLACES,
    BEFORE_PRONOUNS,
    BEFORE_TIMES,
    CONNECTOR_WORDS,
    NO_DURATIONS,
    NO_PLACES,
    NO_PLACES_ALONE,
    PRONOUN_CODES,
    UPPERCASE_PLACES,
)
from chassis.search.synonyms import SynonymSet, canonical_term, is_ambiguous, match_synonym_at
from chassis.search.text_analysis import Token, name_key
from chassis.search.time_words import (
    ANY_START_TERM,
    SEASON_TERMS,
    START_TIMES,
    TIME_WORDS,
    StartTime,
    is_ambiguous_time,
)
from chassis.search.vocabulary import Vocabulary

_CODE_CHARS: Final = 2
_MIN_UNKNOWN_PLACE_POPULATION: Final = 100_000
"""The population from which an alternate name means a city even though no document is about it."""


class SegmentKind(StrEnum):
    """The kind of a segment of a search."""

    WORD = "WORD"
    NAME = "NAME"
    PLACE = "PLACE"
    PHRASE = "PHRASE"
    TIME = "TIME"
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
    time: StartTime | None = None
    alternatives: tuple[str, ...] = ()
    """Further terms under which documents with the same meaning are indexed."""

    @property
    def is_required(self) -> bool:
        """Whether a document must match it."""
        return self.kind not in {SegmentKind.ORDINARY, SegmentKind.CONNECTOR}


@dataclass(frozen=True)
class QueryGrammar:
    """The words of one subject.

    Uninformative ones, which every document means, and phrases of such; phrases that stand for a filter; and
    literal ones, which look like one and are not (`remote sensing`). `units` are those of numbers that stand
    for one, by their names; words for a time stand for one where `start_filter` names it.
    """

    uninformative_words: frozenset[str]
    phrases: Mapping[str, ImpliedFilter] = field(default_factory=dict)
    literal_phrases: frozenset[str] = frozenset()
    units: Mapping[str, QuantityUnit] = field(default_factory=dict)
    start_filter: str = ""

    @cached_property
    def incomplete_prefixes(self) -> tuple[str, ...]:
        """The words without a meaning of their own that an unfinished word may become."""
        times = (word[:-1] if is_ambiguous_time(word) else word for word in TIME_WORDS if self.start_filter)
        return (*self.uninformative_words, *(phrase.split()[0] for phrase in self.phrases), *times)

    def segment(
        self, tokens: Sequence[Token], vocabulary: Vocabulary, places: Gazetteer
    ) -> list[QuerySegment]:
        """Return the segments of a search, in order: at each token the longest one that begins there."""
        reader = _Segmenter(self, tokens, vocabulary, places)
        parts: list[QuerySegment] = []
        while (at := sum(len(part.tokens) for part in parts)) < len(tokens):
            parts.append(reader.part_at(at, parts))
        return [reader.within_named_country(part, parts) for part in reader.with_joined_times(parts)]


@dataclass(frozen=True)
class _Segmenter:
    grammar: QueryGrammar
    tokens: Sequence[Token]
    vocabulary: Vocabulary
    places: Gazetteer

    def part_at(self, at: int, before: Sequence[QuerySegment]) -> QuerySegment:
        found = (
            *self._phrases(at),
            *self._quantity(at),
            *self._time(at),
            *self._name(at),
            *self._place(at, before),
            *self._single(at),
        )
        return max(found, key=lambda part: len(part.tokens))

    def _phrases(self, at: int) -> Iterator[QuerySegment]:
        for length in range(MAX_NAME_WORDS, 0, -1):
            key = self._key(at, length)
            if key in self.grammar.literal_phrases:
                yield QuerySegment(SegmentKind.WORD, self._tokens(at, length))
            if length > 1 and key in self.grammar.uninformative_words:
                yield QuerySegment(SegmentKind.ORDINARY, self._tokens(at, length))
            if meaning := self.grammar.phrases.get(key):
                yield QuerySegment(SegmentKind.PHRASE, self._tokens(at, length), filter=meaning)

    def _quantity(self, at: int) -> Iterator[QuerySegment]:
        words = [token.folded for token in self._tokens(at, MAX_NAME_WORDS)]
        found = read_quantity(words, self.grammar.units)
        if found is None or set(words[found.length : found.length + 2]) & NO_DURATIONS:
            return
        terms = found.terms
        meaning = ImpliedFilter(found.unit.filter_name, found.label, terms[0])
        tokens = self._tokens(at, found.length)
        yield QuerySegment(SegmentKind.PHRASE, tokens, filter=meaning, alternatives=terms[1:])

    def _time(self, at: int) -> Iterator[QuerySegment]:
        token = self.tokens[at]
        time = START_TIMES.get(token.folded) if self.grammar.start_filter else None
        if time is None or (is_ambiguous_time(token.folded) and not self._is_time_expected(at)):
            return
        yield self._time_segment(time, (token,))

    def _time_segment(self, time: StartTime, tokens: tuple[Token, ...]) -> QuerySegment:
        """Return a filter where documents name their start; elsewhere every document means the time."""
        if not any(map(self.vocabulary.count, SEASON_TERMS)):
            return QuerySegment(SegmentKind.ORDINARY, tokens, time=time)
        meaning = ImpliedFilter(self.grammar.start_filter, time.label, time.term)
        spelt = tokens[0].folded
        return QuerySegment(
            SegmentKind.TIME, tokens, filter=meaning, time=time, alternatives=(ANY_START_TERM, spelt)
        )

    def _is_time_expected(self, at: int) -> bool:
        """Whether `spring` is the season: after `in`, or beside a time or what every document means."""
        before, after = self._folded(at - 1), self._folded(at + 1)
        return (
            before in BEFORE_TIMES
            or before in self.grammar.uninformative_words
            or after in self.grammar.uninformative_words
            or any(word in TIME_WORDS and not is_ambiguous_time(word) for word in (before, after))
        )

    def with_joined_times(self, parts: Sequence[QuerySegment]) -> list[QuerySegment]:
        """`summer internship 2027` is about the summer of that year."""
        years = [part for part in parts if part.time is not None and not part.time.part]
        if not years or not any(part.time is not None and part.time.part for part in parts):
            return list(parts)
        return [joined for part in parts if part not in years for joined in self._in_years(part, years)]

    def _in_years(self, part: QuerySegment, years: Sequence[QuerySegment]) -> list[QuerySegment]:
        if part.time is None:
            return [part]
        return [
            self._time_segment(part.time.in_year(year.time.year), (*part.tokens, *year.tokens))
            for year in years
            if year.time is not None
        ]

    def _name(self, at: int) -> Iterator[QuerySegment]:
        found = match_synonym_at(self.tokens, at, is_prose=False)
        if found is None or not self._is_meant(at, found[0]):
            return
        if any(self.vocabulary.count(term) for term in index_terms_of(found[0])):
            yield QuerySegment(SegmentKind.NAME, self._tokens(at, found[1]), name=found[0])

    def _is_meant(self, at: int, name: SynonymSet) -> bool:
        """Return whether the name is meant: `it` in capitals, alone, first or last; `Go` in any case."""
        token = self.tokens[at]
        if token.folded != "it" or not is_ambiguous(token):
            return True
        if at == 0 or self._is_capital(at) or self._is_ordinary(at + 1):
            return True
        return at == len(self.tokens) - 1 and self._folded(at - 1) not in BEFORE_PRONOUNS

    def _is_capital(self, at: int) -> bool:
        """Whether a word is in capitals, and the others are not all."""
        is_shouted = len(self.tokens) > 1 and all(each.text.upper() == each.text for each in self.tokens)
        return self.tokens[at].text.isupper() and not is_shouted

    def _folded(self, at: int) -> str:
        return self.tokens[at].folded if 0 <= at < len(self.tokens) else ""

    def _is_ordinary(self, at: int) -> bool:
        return at < len(self.tokens) and self.tokens[at].folded in self.grammar.uninformative_words

    def _place(self, at: int, before: Sequence[QuerySegment]) -> Iterator[QuerySegment]:
        for length in range(min(MAX_NAME_WORDS, len(self.tokens) - at), 0, -1):
            tokens = self._tokens(at, length)
            led = bool(before) and before[-1].tokens[-1].folded in BEFORE_PLACES
            if length == 1 and (coded := self._place_with_code(at, before, led=led)):
                yield QuerySegment(SegmentKind.PLACE, tokens, place=coded)
                continue
            if length == 1 and not _may_be_place(tokens[0], led=led):
                continue
            candidates = _sort_by_likelihood(self.places.find(" ".join(token.text for token in tokens)))
            place = next((each for each in candidates if self.vocabulary.count(each.term)), None)
            place = place or next(iter(candidates), None)
            if place is not None and self._is_likely(tokens, place, led=led):
                yield QuerySegment(SegmentKind.PLACE, tokens, place=place)

    def _place_with_code(
        self, at: int, before: Sequence[QuerySegment], *, led: bool
    ) -> GazetteerEntry | None:
        """Return the country or US state whose code a word is: in capitals or after `in`; `us` anywhere."""
        token = self.tokens[at]
        if len(token.text) != _CODE_CHARS or token.folded in UPPERCASE_PLACES:
            return None
        if token.folded == "us":
            is_pronoun = self._folded(at - 1) in BEFORE_PRONOUNS and not self._is_capital(at)
            return None if is_pronoun else self.places.with_code("us")[0]
        is_word = token.folded in CONNECTOR_WORDS
        is_led = led and token.folded not in PRONOUN_CODES
        if not (self._is_capital(at) or is_led) or (is_word and not self._is_end(at + 1)):
            return None
        spoken = 0 if is_led else self.vocabulary.count(token.folded)
        found = [
            place
            for place in self.places.with_code(token.text)
            if (is_word and self._is_capital(at)) or 2 * self.vocabulary.count(place.term) > spoken
        ]
        is_in_us = bool(before) and before[-1].place is not None and before[-1].place.country == "US"
        return max(
            found,
            key=lambda place: (bool(place.region) is is_in_us, self.vocabulary.count(place.term)),
            default=None,
        )

    def _is_end(self, at: int) -> bool:
        """Whether nothing follows that says more of the subject: a connector would have something to join."""
        return at >= len(self.tokens) or self._is_ordinary(at) or self._folded(at) in TIME_WORDS

    def within_named_country(self, part: QuerySegment, parts: Sequence[QuerySegment]) -> QuerySegment:
        """Return the place within the one that the search names: `London, Canada` is not in England."""
        wider = [each.place for each in parts if each.place is not None and not each.place.is_city]
        if (
            part.place is None
            or not part.place.is_city
            or any(_is_within(part.place, each) for each in wider)
        ):
            return part
        found = self.places.cities(" ".join(token.text for token in part.tokens))
        within = (city for city in found if any(_is_within(city, each) for each in wider))
        return replace(part, place=next(within, part.place))

    def _is_likely(self, tokens: Sequence[Token], place: GazetteerEntry, *, led: bool) -> bool:
        """Return whether the word means the place: `reading` does not, since hardly any is about Reading."""
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
    if token.folded in NO_PLACES:
        return False
    if token.folded in TIME_WORDS or (token.folded in NO_PLACES_ALONE and not led):
        return False
    if token.folded in UPPERCASE_PLACES:
        return token.folded in ALWAYS_PLACES or token.text.isupper()
    return token.folded not in CONNECTOR_WORDS and (
        len(token.folded) > 3 or not token.folded.isascii() or led
    )


def _is_within(city: GazetteerEntry, wider: GazetteerEntry) -> bool:
    """Whether a city lies in a country or a state; a continent says nothing of it."""
    return city.country == wider.country and wider.region in ("", city.region)


def _sort_by_likelihood(found: Iterable[GazetteerEntry]) -> list[GazetteerEntry]:
    """Return the places by likelihood: countries, then large cities, then states and all others."""

    def order(place: GazetteerEntry) -> tuple[int, int]:
        if not place.is_city:
            return (2, 0) if place.region else (0, 0)
        return (1 if place.population >= _MIN_LARGE_CITY_POPULATION else 3, -place.population)

    return sorted(found, key=order)


_MIN_LARGE_CITY_POPULATION: Final = 500_000
