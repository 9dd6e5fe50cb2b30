"""The search's words: split, folded and stemmed, in any script.

A term is a folded word, a stem marked with `~`, or a pair of neighbouring letters of a script without spaces.
All are indexed, so that endings do not matter and other languages still match word by word; a word that is
its own stem is indexed once.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import regex
import snowballstemmer

STEM_MARK: Final = "~"
MAX_WORD_CHARS: Final = 40
_MIN_STEMMED_CHARS: Final = 4
MAX_CACHED_WORDS: Final = 65_536

_SPACELESS: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_INNER: Final = r"\p{M}\u00ad\u200c\u200d"
"""Marks, and characters without a width that are part of words."""
_LETTER: Final = rf"[[\p{{L}}\p{{N}}]--[{_SPACELESS}ー々]]"
_SPELT_WORD: Final = rf"{_LETTER}[[{_LETTER[1:-1]}]||[{_INNER}]]*"
WORD_PATTERN: Final = regex.compile(
    rf"(?i:(?<![\p{{L}}\p{{N}}])\.net(?![\p{{L}}\p{{N}}]))"
    rf"|(?i:{_SPELT_WORD}\.(?:js|net)(?![\p{{L}}\p{{N}}]))"
    rf"|{_LETTER}\+\+\p{{N}}*(?![\p{{L}}\p{{N}}])"
    rf"|{_SPELT_WORD}(?:[+#]{{1,2}}(?![\p{{L}}\p{{N}}]))?"
    rf"|[\p{{Han}}々][\p{{Han}}々{_INNER}]*"
    rf"|\p{{Hiragana}}[\p{{Hiragana}}{_INNER}]*"
    rf"|\p{{Katakana}}[\p{{Katakana}}ー{_INNER}]*"
    rf"|\p{{Thai}}[\p{{Thai}}{_INNER}]*|\p{{Lao}}[\p{{Lao}}{_INNER}]*"
    rf"|\p{{Khmer}}[\p{{Khmer}}{_INNER}]*|\p{{Myanmar}}[\p{{Myanmar}}{_INNER}]*",
    regex.VERSION1,
)
"""A word by Unicode: letters and digits with their marks; C++17, C#, .NET and Node.js are words, and so is
each run of letters of a script without spaces."""

_ASCII_WORD_PATTERN: Final = re.compile(
    r"(?i:(?<![a-z0-9])\.net(?![a-z0-9]))"
    r"|(?i:[a-z0-9]+\.(?:js|net)(?![a-z0-9]))"
    r"|[A-Za-z0-9]\+\+[0-9]*(?![A-Za-z0-9])"
    r"|[A-Za-z0-9]+(?:[+#]{1,2}(?![A-Za-z0-9]))?",
    re.ASCII,
)
"""The same pattern for texts in ASCII, for which it takes a fraction of the time."""

_UNSPACED: Final = regex.compile(rf"[{_SPACELESS}ー々]")
_GRAPHEME: Final = regex.compile(r"\X")
_VERSIONED: Final = regex.compile(r"(\p{L}\+\+)\p{N}+")

_FOLDED_AWAY: Final = regex.compile(
    r"[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f"
    r"\u0670\u0640\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u00ad\u200b-\u200d\u2060\ufeff]"
)
"""Accents, points and harakat, which people leave out; vowel signs of other scripts stay."""
_UNSTROKED: Final = str.maketrans(
    {
        "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe",
        "ŧ": "t", "ŋ": "n", "ĸ": "k", "ə": "e", "ƶ": "z", "ɨ": "i", "ß": "ss", "ʻ": "", "ʼ": "", "’": "'",
        "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ٱ": "ا",
    }
)  # fmt: skip
_STEMMERS: Final = (
    (regex.compile(r"[a-z]+"), snowballstemmer.stemmer("english")),
    (regex.compile(r"\p{Cyrillic}+"), snowballstemmer.stemmer("russian")),
    (regex.compile(r"\p{Arabic}+"), snowballstemmer.stemmer("arabic")),
    (regex.compile(r"\p{Greek}+"), snowballstemmer.stemmer("greek")),
)

_STOPWORD_TEXT: Final = (
    "a an and are as at be by for from in into is it its of on or our that the their this to we will with you"
    " your der die das und im mit für von zu et de la le les des en du y el los las"
)
STOPWORDS: Final = frozenset(_STOPWORD_TEXT.replace("ü", "u").split())
"""Words that are not indexed."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text: as spelt, folded, and its position."""

    text: str
    folded: str
    start: int
    end: int


def compose_nfc(text: str) -> str:
    """Return the text in NFC, with accents joined to their letters, as `WORD_PATTERN` expects it."""
    return unicodedata.normalize("NFC", text)


def find_words(text: str) -> Iterator[Any]:
    """Yield the matches of the words of a text that is in NFC, in order."""
    return _ASCII_WORD_PATTERN.finditer(text) if text.isascii() else WORD_PATTERN.finditer(text)


def split_words(text: str) -> list[str]:
    """Return the words of a text as they are spelt, in order."""
    return [match[0] for match in find_words(compose_nfc(text))]


def tokenize(text: str) -> list[Token]:
    """Return the words of a text that is in NFC, in order, without those that fold to nothing."""
    found = (Token(match[0], analyze_word(match[0])[0], *match.span()) for match in find_words(text))
    return [token for token in found if token.folded]


def index_terms(text: str) -> set[str]:
    """Return the terms under which a text is found, without stopwords."""
    found = list(find_words(compose_nfc(text)))
    hyphened = pairwise(found)
    joined = (first[0] + second[0] for first, second in hyphened if _is_joined(first, second))
    return set(_iterate_terms((*(match[0] for match in found), *joined)))


def _is_joined(first: Any, second: Any) -> bool:
    """Return whether only a hyphen stands between two words: `e-commerce` is found as `ecommerce`, too."""
    between = slice(first.end(), second.start())
    return first.string[between] in {"-", "\u2010", "\u2011"}


def _iterate_terms(words: Iterable[str]) -> Iterator[str]:
    for word, stem in map(analyze_word, words):
        if not word or word in STOPWORDS:
            continue
        yield word
        if is_unspaced(word):
            yield from character_bigrams(word)
        elif stem and stem != STEM_MARK + word:
            yield stem


def name_key(text: str) -> str:
    """Return the key that all spellings of a name (a skill, a field, a city) share."""
    return " ".join(fold_text(text).split())


def is_unspaced(word: str) -> bool:
    """Return whether the word is a run of letters of a script without spaces."""
    return not word.isascii() and _UNSPACED.match(word) is not None


def character_bigrams(run: str) -> list[str]:
    """Return the pairs of neighbouring letters of a run, with their marks; a single letter alone."""
    letters = _GRAPHEME.findall(run)
    return [first + second for first, second in pairwise(letters)] or letters


@lru_cache(MAX_CACHED_WORDS)
def analyze_word(text: str) -> tuple[str, str]:
    """Return the two terms of one word: folded, and its stem ("" when that is the same)."""
    word = fold_text(text)[:MAX_WORD_CHARS]
    if "." in word:
        word = "dotnet" if word == ".net" else word.replace(".", "")
    if "+" in word:
        return word, STEM_MARK + strip_version(word)
    return word, _stem(word)


def strip_version(word: str) -> str:
    """Return a language's name without its version: `c++` of `c++17`."""
    versioned = _VERSIONED.fullmatch(word)
    return str(versioned[1]) if versioned else word


def _stem(word: str) -> str:
    if len(word) < _MIN_STEMMED_CHARS:
        return ""
    for script, stemmer in _STEMMERS:
        if script.fullmatch(word):
            return STEM_MARK + _stemmed(stemmer, word)
    return ""


def _stemmed(stemmer: Any, word: str) -> str:
    return str(stemmer.stemWord(word)) or word


def fold_text(text: str) -> str:
    """Return the text without letter case, accents, strokes and invisible characters."""
    if text.isascii():
        return text.lower()
    lowered = text.casefold().translate(_UNSTROKED)
    bare = _FOLDED_AWAY.sub("", unicodedata.normalize("NFKD", lowered)).translate(_UNSTROKED)
    return unicodedata.normalize("NFC", bare)
