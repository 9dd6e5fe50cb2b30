"""The interpretation of a search's words: required terms, filters, spellings, and terms that only rank."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chassis.search.gazetteer import Gazetteer, GazetteerEntry
from chassis.search.query_segmentation import (
    ImpliedFilter,
    QueryGrammar,
    QuerySegment,
    SegmentKind,
    index_terms_of,
)
from chassis.search.synonyms import SynonymKind, is_ambiguous
from chassis.search.text_analysis import (
    STEM_MARK,
    Token,
    character_bigrams,
    compose_nfc,
    is_unspaced,
    strip_version,
    tokenize,
)
from chassis.search.text_analysis import analyze_word as terms_of_word
from chassis.search.vocabulary import Vocabulary

MAX_QUERY_TERMS: Final = 10
_MIN_PREFIX_CHARS: Final = 2
_MIN_NAME_PREFIX_CHARS: Final = 4
_MAX_NEW_WORD_CHARS: Final = 2
"""Letters of a word that has just been begun: it ranks, and is not required yet."""

AS_TYPED, EXACT, STEMMED, RELATED = 1_100_000, 1_000_000, 900_000, 300_000
COMPLETED, CORRECTED, FAR_CORRECTED = 5_000, 40, 20
"""How well a term stands for the typed word.

The steps are wider than all differences of weight between the places of a term, so that exact comes before
unfinished, and unfinished before misspelt.
"""

_RELATED_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "developer": ("engineer", "development", "programmer", "software"),
    "engineer": ("developer", "engineering"),
    "programmer": ("developer", "engineer", "programming"),
    "scientist": ("science",),
    "analyst": ("analysis", "analytics"),
    "economist": ("economics",),
    "researcher": ("research",),
    "writer": ("writing", "copywriting"),
    "photographer": ("photography",),
    "translator": ("translation",),
    "teacher": ("teaching", "education"),
}


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """A typed word: the terms that it may stand for, with their quality, and its weight in the ranking.

    `document_count` is about the number of documents with one of the terms. A term without `is_required` only
    ranks; one with `filters` is a filter. `highlights` are further terms that are marked in hits; `corrected`
    is the spelling that a misspelt word was read as.
    """

    text: str
    qualities: dict[str, int]
    weight: int
    document_count: int
    is_required: bool = True
    filters: tuple[ImpliedFilter, ...] = ()
    highlights: frozenset[str] = frozenset()
    corrected: str = ""
    start: int = 0

    @property
    def affects_ranking(self) -> bool:
        """Whether a match says anything of how well a document fits."""
        return not self.filters or self.filters[0].name == "field"


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """The interpretation of a text; `is_empty` when it holds nothing that can be searched for."""

    terms: tuple[QueryTerm, ...] = ()
    is_empty: bool = False
    did_you_mean: str = ""
    has_implied_words: bool = False
    """Whether some words are of those that every document means: they ask for documents on their own."""

    @property
    def required_terms(self) -> tuple[QueryTerm, ...]:
        """The terms that a document must match."""
        return tuple(word for word in self.terms if word.is_required)


@dataclass(frozen=True, slots=True)
class QueryParser:
    """Reads searches over one vocabulary."""

    grammar: QueryGrammar
    vocabulary: Vocabulary
    places: Gazetteer

    def parse(
        self,
        text: str,
        *,
        pinned_weights: Sequence[int] = (),
        set_filters: frozenset[str] = frozenset(),
        is_literal: bool = False,
    ) -> ParsedQuery:
        """Return the terms of a text whose last word may be unfinished: at most `MAX_QUERY_TERMS`.

        `pinned_weights` are those of an earlier page, so that a page's order does not shift under the next
        one. `set_filters` names filters that are set already: words for them are plain words. `is_literal`
        takes every word as a plain word.
        """
        plain = compose_nfc(text)
        tokens = tokenize(plain)
        if not tokens:
            return ParsedQuery(is_empty=bool(text.strip()))
        grammar = QueryGrammar(frozenset()) if is_literal else self.grammar
        parts = grammar.segment(tokens, self.vocabulary, self.places)
        words = _TermBuilder(self, plain, parts, set_filters, is_literal=is_literal).all()
        pinned = [
            replace(word, weight=pinned_weights[at]) if at < len(pinned_weights) else word
            for at, word in enumerate(words[:MAX_QUERY_TERMS])
        ]
        return ParsedQuery(
            tuple(pinned),
            did_you_mean=_corrected_text(plain, tokens, pinned),
            has_implied_words=not is_literal and any(part.kind is SegmentKind.ORDINARY for part in parts),
        )


@dataclass(frozen=True)
class _TermBuilder:
    parser: QueryParser
    text: str
    parts: Sequence[QuerySegment]
    taken: frozenset[str]
    is_literal: bool

    def all(self) -> list[QueryTerm]:
        words: dict[object, QueryTerm] = {}
        for part in self.parts:
            for word in self._words_of(part):
                key = word.filters[0].name if word.filters and word.filters[0].name != "field" else word.text
                words[key] = _merge_terms(words[key], word) if key in words else word
        return list(words.values())

    def _words_of(self, part: QuerySegment) -> Iterator[QueryTerm]:
        meaning = None if self.is_literal else self._meaning(part)
        if meaning is not None and meaning.name not in self.taken:
            yield self._filter(part, meaning)
        elif part.kind is SegmentKind.NAME and not self.is_literal:
            yield self._name(part)
        elif part.is_required or (self.is_literal and part.kind is SegmentKind.ORDINARY):
            yield from self._plain(part)

    def _meaning(self, part: QuerySegment) -> ImpliedFilter | None:
        if part.place is not None:
            return _place_filter(part.place)
        if part.name is not None and part.name.kind is SynonymKind.FIELD:
            return ImpliedFilter("field", part.name.label, part.name.term)
        return part.filter

    def _filter(self, part: QuerySegment, meaning: ImpliedFilter) -> QueryTerm:
        if part.name is None:
            word = self._word(part, dict.fromkeys((*part.alternatives, meaning.term), EXACT))
        elif not (word := self._name(part)).is_required:
            return word
        marks = {token.folded for token in part.tokens} | set(word.highlights)
        return replace(word, filters=(meaning,), highlights=frozenset(marks))

    def _name(self, part: QuerySegment) -> QueryTerm:
        assert part.name is not None
        own, *related = index_terms_of(part.name)
        qualities = dict.fromkeys(related, RELATED) | {own: EXACT}
        if len(part.tokens) == 1:
            qualities = self._spellings(part.tokens[0]) | qualities
        if strip_version(part.tokens[0].folded) != part.tokens[0].folded:
            qualities |= {own: COMPLETED, part.tokens[0].folded: EXACT}
        marks = {each.folded for spelling in part.name.spellings for each in tokenize(compose_nfc(spelling))}
        word = replace(self._word(part, qualities), highlights=frozenset(marks))
        return replace(word, is_required=not self._is_one_letter_more(part))

    def _spellings(self, token: Token) -> dict[str, int]:
        """Return the weights of the terms that find a name of one word: as typed, and completed."""
        if is_ambiguous(token):
            return {}
        longer = self._is_unfinished(token) and len(token.folded) >= _MIN_NAME_PREFIX_CHARS
        completions = self.parser.vocabulary.completions(token.folded) if longer else ()
        return dict.fromkeys(completions, COMPLETED) | {token.folded: AS_TYPED}

    def _is_one_letter_more(self, part: QuerySegment) -> bool:
        """Return whether the segment may be the first letter of a new word, not the language R or C."""
        token = part.tokens[0]
        unsure = is_ambiguous(token) and token.text.islower() and self._is_unfinished(token)
        return unsure and self._has_others(token)

    def _plain(self, part: QuerySegment) -> Iterator[QueryTerm]:
        for token in part.tokens:
            if is_unspaced(token.folded):
                yield from self._unspaced_run(token)
            else:
                yield self._single_word(token)

    def _unspaced_run(self, token: Token) -> Iterator[QueryTerm]:
        """Yield the terms of a run of a script without spaces: letter pairs are required, the run ranks."""
        pairs = character_bigrams(token.folded)
        if len(pairs) == 1 and pairs[0] == token.folded:
            yield self._single_word(token)
            return
        whole = QuerySegment(SegmentKind.WORD, (token,))
        yield replace(self._word(whole, {token.folded: EXACT}), is_required=False)
        for pair in pairs[: MAX_QUERY_TERMS - 1]:
            yield replace(self._word(whole, {pair: EXACT}), text=pair, highlights=frozenset({token.folded}))

    def _single_word(self, token: Token) -> QueryTerm:
        unfinished = self._is_unfinished(token)
        qualities = self._qualities(token, unfinished=unfinished)
        corrected = ""
        if not any(map(self.parser.vocabulary.count, qualities)):
            corrections = self.parser.vocabulary.corrections(token.folded)
            corrected = corrections[0].word if corrections else ""
            for each in corrections:
                qualities[each.word] = CORRECTED if each.distance == 1 else FAR_CORRECTED
        word = replace(self._word(QuerySegment(SegmentKind.WORD, (token,)), qualities), corrected=corrected)
        return replace(word, is_required=not (unfinished and self._is_prefix(token, word)))

    def _is_prefix(self, token: Token, word: QueryTerm) -> bool:
        """Return whether the token is the prefix of a word that asks for nothing, so not required yet."""
        others = self._has_others(token)
        if any(start.startswith(token.folded) for start in self.parser.grammar.incomplete_prefixes):
            return others or not word.document_count
        return len(token.folded) <= _MAX_NEW_WORD_CHARS and (
            others or (len(self.parts) > 1 and not word.document_count)
        )

    def _has_others(self, token: Token) -> bool:
        return any(part.is_required for part in self.parts if token not in part.tokens)

    def _qualities(self, token: Token, *, unfinished: bool) -> dict[str, int]:
        vocabulary = self.parser.vocabulary
        word, stem = terms_of_word(token.text)
        qualities: dict[str, int] = {}
        for each in _RELATED_WORDS.get(word, ()):
            qualities |= dict.fromkeys(filter(None, terms_of_word(each)), RELATED)
        if unfinished and (len(word) >= _MIN_PREFIX_CHARS or not any(map(vocabulary.count, (word, stem)))):
            qualities |= dict.fromkeys(vocabulary.completions(word), COMPLETED)
        if stem:
            qualities |= {stem: STEMMED, stem.removeprefix(STEM_MARK): STEMMED}
        variants = (
            joined for joined in (self._joined(token), _without_umlauts(word)) if vocabulary.count(joined)
        )
        qualities |= dict.fromkeys(variants, STEMMED)
        qualities[word] = EXACT
        return qualities

    def _joined(self, token: Token) -> str:
        """Return the word together with its neighbour across a hyphen, `e-commerce` as `ecommerce`."""
        tokens = [each for part in self.parts for each in part.tokens]
        at = tokens.index(token)
        if at + 1 < len(tokens) and self.text[token.end : tokens[at + 1].start] == "-":
            return token.folded + tokens[at + 1].folded
        if at > 0 and self.text[tokens[at - 1].end : token.start] == "-":
            return tokens[at - 1].folded + token.folded
        return ""

    def _word(self, part: QuerySegment, qualities: dict[str, int]) -> QueryTerm:
        vocabulary = self.parser.vocabulary
        text = " ".join(token.text for token in part.tokens)
        listings = sum(map(vocabulary.count, qualities))
        return QueryTerm(
            text, qualities, vocabulary.rareness(qualities), listings, start=part.tokens[0].start
        )

    def _is_unfinished(self, token: Token) -> bool:
        return token.end == len(self.text)


def _place_filter(place: GazetteerEntry) -> ImpliedFilter:
    if place.is_city:
        return ImpliedFilter("city", place.name, place.term)
    if place.region:
        return ImpliedFilter("region", place.name, place.term)
    return ImpliedFilter("country", place.country or place.name, place.term)


def _merge_terms(first: QueryTerm, second: QueryTerm) -> QueryTerm:
    """Return one term for two: filters of one name that either may match (`berlin or munich`), or a word."""
    if not first.filters:
        return replace(first, is_required=first.is_required or second.is_required)
    return replace(
        first,
        text=f"{first.text}, {second.text}",
        qualities=first.qualities | second.qualities,
        document_count=first.document_count + second.document_count,
        filters=(*first.filters, *second.filters),
        highlights=first.highlights | second.highlights,
    )


def _without_umlauts(word: str) -> str:
    """Return a German word spelt without umlauts, `koeln`, as its folded form with the umlaut."""
    bare = word.replace("ae", "a").replace("oe", "o").replace("ue", "u")
    return bare if bare != word else ""


def _corrected_text(text: str, tokens: Sequence[Token], words: Sequence[QueryTerm]) -> str:
    corrected = {word.start: word.corrected for word in words if word.corrected}
    if not corrected:
        return ""
    parts, done = [], 0
    for token in tokens:
        if token.start in corrected:
            parts += [text[done : token.start], corrected[token.start]]
            done = token.end
    return "".join([*parts, text[done:]]).strip()
