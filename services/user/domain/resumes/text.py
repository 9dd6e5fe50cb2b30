"""A résumé's text as its file shows it: words with their places, and lines in reading order."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from chassis.text import to_single_line, without_unwanted_characters

CELL_BREAK: Final = "\t"
"""Stands between parts of a line that are far apart, as a title and its dates at the right margin."""
MAX_LINE_CHARS: Final = 600

_BULLETS: Final = "•●○◦▪▫■□◆◇‣⁃►▶▸➢➤✓✔✗❖∙·*"
BULLET_MARK: Final = "•"
_BULLET: Final = re.compile(rf"^(?:[{re.escape(_BULLETS)}]+|[-–—](?=\s))\s*")
_LEADING_GLYPH: Final = re.compile(r"^(?:\(cid:\d+\)|[\ue000-\uf8ff])(?=\s|$)")
"""A glyph without a letter before the text: the mark of an item, or an icon."""
_ICONS: Final = re.compile(
    r"[\ue000-\uf8ff\u2600-\u26ff\u2700-\u27bf\U0001f300-\U0001faff\u260e\u2190-\u21ff]"
)
_UNMAPPED: Final = re.compile(r"\(cid:\d+\)")
"""A glyph of a font that does not say which letter it shows."""
_SPACED_WORD: Final = re.compile(r"(?<!\S)\w(?: \w){3,}(?!\S)")


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word on a page, in points from the page's top left corner."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    is_bold: bool = False


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line; parts that are far apart have a `CELL_BREAK` between them.

    `size` and `left` are in points, 0 when unknown. `is_apart` is that there is more space above it than
    between the lines of a paragraph, `is_wrapped` that the text goes on in the next line for want of
    space. Lines of different blocks do not continue each other.
    """

    text: str
    size: float = 0.0
    left: float = 0.0
    is_bold: bool = False
    is_heading: bool = False
    is_apart: bool = False
    is_wrapped: bool = False
    block: int = 0

    @property
    def is_bullet(self) -> bool:
        """Whether the line begins with the mark of a list's item."""
        return _BULLET.match(self.text) is not None


@dataclass(frozen=True, slots=True)
class ResumeText:
    """The lines of a document in reading order, and the addresses behind its links."""

    lines: tuple[TextLine, ...]
    link_targets: tuple[str, ...] = ()


def tidy_line(text: str) -> str:
    """Return the line without icons, ligatures, unmapped glyphs, invisible characters; cells stay apart."""
    marked = _LEADING_GLYPH.sub(BULLET_MARK, text[:MAX_LINE_CHARS])
    cells = (_tidy_cell(cell) for cell in marked.split(CELL_BREAK))
    return CELL_BREAK.join(cell for cell in cells if cell)


def _tidy_cell(text: str) -> str:
    plain = unicodedata.normalize("NFKC", _ICONS.sub(" ", _UNMAPPED.sub(" ", text)))
    return _SPACED_WORD.sub(_close_up, without_unwanted_characters(to_single_line(plain)))


def _close_up(match: re.Match[str]) -> str:
    return match[0].replace(" ", "")


def without_bullet(text: str) -> str:
    """Return the text without the mark of a list's item."""
    return _BULLET.sub("", text, count=1)


def is_bullet_mark(text: str) -> bool:
    """Return whether the text is nothing but such a mark."""
    is_mark = text in {"-", "–", "—"} or all(letter in _BULLETS for letter in text)
    return bool(text) and (is_mark or _LEADING_GLYPH.fullmatch(text) is not None)


def join_wrapped(lines: Iterable[TextLine], *, having: str = "") -> list[TextLine]:
    """Return the lines, wrapped ones and the next in one; of those with a letter of `having`, if given."""
    joined: list[TextLine] = []
    for line in lines:
        before = joined[-1] if joined and joined[-1].is_wrapped else None
        if before is not None and (not having or any(letter in before.text for letter in having)):
            cell, mark, others = before.text.partition(CELL_BREAK)
            text = f"{join_lines([cell, line.text])}{mark}{others}"
            joined[-1] = replace(line, text=text, is_apart=before.is_apart)
        else:
            joined.append(line)
    return joined


def join_lines(lines: Iterable[str]) -> str:
    """Return running text: words that were divided at the end of a line are put together."""
    joined = ""
    for line in lines:
        if joined.endswith("-") and joined[-2:-1].isalpha() and line[:1].islower():
            joined = joined[:-1] + line
        else:
            joined = f"{joined} {line}" if joined else line
    return joined
