"""Words as the search knows them: folded, so that `Zürich` and `ZURICH` are one, and stemmed as English.

A term is a folded word, or a stem marked with `~`. Both are indexed, so that English endings do not matter
and other languages still match word by word; a word that is its own stem is indexed once.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

import snowballstemmer

STEM: Final = "~"
MOST_LETTERS: Final = 40
_SHORTEST_STEMMED: Final = 4
_REMEMBERED: Final = 65_536
WORD: Final = re.compile(r"[^\W_]+(?:[+#]{1,2}(?![^\W_]))?")
_STEMMER: Final = snowballstemmer.stemmer("english")

_LITTLE_WORDS: Final = (
    "a an and are as at be by for from in into is it its of on or our that the their this to we will with you"
    " your der die das und im mit für von zu et de la le les des en du y el los las"
)
STOPWORDS: Final = frozenset(_LITTLE_WORDS.replace("ü", "u").split())
"""Left out of questions that hold other words, and of the index."""


def composed(text: str) -> str:
    """The text with accents joined to their letters, which `WORD` counts on."""
    return unicodedata.normalize("NFC", text)


def words_of(text: str) -> list[str]:
    """The words of a text as they are spelt, in order."""
    return WORD.findall(composed(text))


def terms_of(text: str) -> set[str]:
    """The terms under which a text is found, stopwords left out."""
    return {
        term
        for word, stem in map(analysed, words_of(text))
        if word not in STOPWORDS
        for term in (word, stem)
        if term and term != STEM + word
    }


def key_of(text: str) -> str:
    """What two spellings of a name (a skill, a field, a city) have in common."""
    return " ".join(_fold(text).split())


@lru_cache(_REMEMBERED)
def analysed(text: str) -> tuple[str, str]:
    """The two terms of one word: folded, and its stem ("" where it has none of its own)."""
    word = _fold(text)[:MOST_LETTERS]
    if len(word) < _SHORTEST_STEMMED or not (word.isascii() and word.isalpha()):
        return word, ""
    return word, STEM + _STEMMER.stemWord(word)


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
