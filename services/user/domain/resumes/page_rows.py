"""Rows of words on a page, and the lines of text that they make."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Final

from services.user.domain.resumes.headings import heading_kind
from services.user.domain.resumes.text import CELL_BREAK, PlacedWord, TextLine, is_bullet_mark, tidy_line

ALIGNMENT_POINTS: Final = 3.0
"""The difference of places that are meant to be one."""
ROW_TOLERANCE: Final = 0.3
"""The difference of baselines within a row, in sizes of the letters."""
_CELL_GAP: Final = 1.3
"""The space between two cells of a row, in sizes of the letters; justified text stays below it."""
_APART_GAP: Final = 1.25
"""The line spacing above the first line of a paragraph, in the usual line spacings."""
_SPACED_WORD_GAP: Final = 1.7
"""The space between words whose letters stand apart, in spaces between letters."""
_PAGE_NUMBER: Final = re.compile(
    r"(?:seite|page)?\s*\d{1,2}\s*(?:von|of|/)\s*\d{1,2}|(?:seite|page)\s*\d{1,2}", re.IGNORECASE
)
_SAME_SIZE: Final = 0.3
_WORD_SPACE: Final = 0.25
_MIN_FULL_ROWS: Final = 3
_MAX_RAGGED_POINTS: Final = 25.0
LINE_STEP: Final = 1.6
"""The line spacing within a paragraph, in sizes of the letters, is below it."""
_MAX_BULLET_GAP_POINTS: Final = 40.0


@dataclass(frozen=True, slots=True)
class PageRow:
    """Words that stand side by side, from left to right."""

    words: tuple[PlacedWord, ...]

    @property
    def baseline(self) -> float:
        """The baseline of its first word."""
        return self.words[0].baseline

    @property
    def text(self) -> str:
        """The words with a blank between each two."""
        return " ".join(word.text for word in self.words)

    def part(self, *, left_of: float | None = None, right_of: float | None = None) -> "PageRow | None":
        """Return the words that begin there; None when there are none."""
        words = tuple(
            word
            for word in self.words
            if (left_of is None or word.left < left_of) and (right_of is None or word.left >= right_of)
        )
        return PageRow(words) if words else None


def rows_of(words: Sequence[PlacedWord]) -> list[PageRow]:
    """Return the rows of a page, from top to bottom."""
    rows: list[list[PlacedWord]] = []
    for word in sorted(words, key=lambda word: (word.baseline, word.left)):
        if rows and word.baseline - rows[-1][0].baseline <= ROW_TOLERANCE * max(word.size, 6.0):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [PageRow(_glue_bullets(sorted(row, key=lambda word: word.left))) for row in rows]


def _glue_bullets(words: Sequence[PlacedWord]) -> tuple[PlacedWord, ...]:
    """Make the mark of an item one word with the item's first word, so that their space is no gutter."""
    glued: list[PlacedWord] = []
    for word in words:
        mark = glued[-1] if glued and is_bullet_mark(glued[-1].text) else None
        if mark is not None and word.left - mark.right < _MAX_BULLET_GAP_POINTS:
            glued[-1] = replace(word, text=f"{mark.text} {word.text}", left=mark.left)
        else:
            glued.append(word)
    return tuple(glued)


def lines_of_rows(rows: Sequence[PageRow], cell_at: float | None = None) -> tuple[TextLine, ...]:
    """Return a line for each row; a cell begins at `cell_at` even where the gap is small."""
    steps = [after.baseline - before.baseline for before, after in pairwise(rows)]
    usual = median(steps) if steps else 0.0
    edge = _right_edge(rows)
    lines = []
    for row, step, following in zip(rows, [0.0, *steps], [*rows[1:], None], strict=False):
        text = tidy_line(_text_of(row, cell_at))
        if text and not _PAGE_NUMBER.fullmatch(text):
            line = _line(row, text, is_apart=step > _APART_GAP * usual > 0)
            is_wrapped = following is not None and _is_wrapped(row, following, edge)
            lines.append(replace(line, is_wrapped=is_wrapped))
    return tuple(lines)


def _right_edge(rows: Sequence[PageRow]) -> float:
    """Return where lines end for want of space; infinite when one line alone is that long."""
    ends = sorted((row.words[-1].right for row in rows), reverse=True)
    if len(ends) < _MIN_FULL_ROWS or ends[0] - ends[1] > _MAX_RAGGED_POINTS:
        return float("inf")
    return ends[0]


def _is_wrapped(row: PageRow, following: PageRow, edge: float) -> bool:
    """Return whether the next row's first word looks the same and had no space in this row's first cell."""
    words, beside = _first_cell(row)
    last, first = words[-1], following.words[0]
    edge = beside.left - _CELL_GAP * last.size if beside else edge
    is_alike = last.is_bold is first.is_bold and abs(last.size - first.size) < _SAME_SIZE
    is_below = abs(row.words[0].left - first.left) < ALIGNMENT_POINTS and len(words) > 1
    is_close = following.baseline - row.baseline < LINE_STEP * max(last.size, 1.0)
    is_full = last.right + _WORD_SPACE * last.size + (first.right - first.left) > edge
    return is_alike and is_below and is_close and is_full and not is_bullet_mark(first.text[:1])


def _first_cell(row: PageRow) -> tuple[tuple[PlacedWord, ...], PlacedWord | None]:
    """Return the words up to the first wide gap, and the word after it."""
    for at, (before, after) in enumerate(pairwise(row.words), 1):
        if after.left - before.right > _CELL_GAP * max(before.size, after.size):
            return row.words[:at], after
    return row.words, None


def _line(row: PageRow, text: str, *, is_apart: bool) -> TextLine:
    letters = sum(len(word.text) for word in row.words)
    bold = sum(len(word.text) for word in row.words if word.is_bold)
    return TextLine(
        text,
        size=max(word.size for word in row.words),
        left=row.words[0].left,
        is_bold=2 * bold > letters,
        is_apart=is_apart,
    )


def _text_of(row: PageRow, cell_at: float | None) -> str:
    text = row.words[0].text
    has_label = row.words[0].is_bold
    spacing = _letter_spacing(row)
    for before, after in pairwise(row.words):
        gap = after.left - before.right
        if gap > max(_CELL_GAP * max(before.size, after.size), 3 * spacing) or (
            cell_at is not None and before.left < cell_at <= after.left
        ):
            text += CELL_BREAK
        elif has_label and before.is_bold and not after.is_bold:
            # A bold heading that its text follows closely.
            text += CELL_BREAK if heading_kind(text) and not text.endswith(":") else " "
            has_label = False
        elif not spacing or gap > _SPACED_WORD_GAP * spacing:
            text += " "
        text += after.text
    return text


def _letter_spacing(row: PageRow) -> float:
    """Return the space between the letters of a row whose letters stand apart; 0 for usual text."""
    single = sum(len(word.text) == 1 for word in row.words)
    if len(row.words) < 4 or single < 0.8 * len(row.words):
        return 0.0
    return median(after.left - before.right for before, after in pairwise(row.words))
