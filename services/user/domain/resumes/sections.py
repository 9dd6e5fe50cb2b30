"""The sections of a résumé: which lines are headings, and which lines belong to them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.user.domain.resumes.dates import read_spans
from services.user.domain.resumes.headings import SectionKind, heading_kind, split_label
from services.user.domain.resumes.text import CELL_BREAK, TextLine

_LARGER: Final = 1.08
"""The size from which a line is a heading by its size, in sizes of the text."""
_MAX_UNKNOWN_WORDS: Final = 4
_LABELLED_BY_COLON: Final = frozenset(
    {SectionKind.LOOSE, SectionKind.CONTACT, SectionKind.SUMMARY, SectionKind.LANGUAGES, SectionKind.OTHER}
)
"""Sections in which `Skills: Python, SQL` is a section of its own, and not part of an entry."""


@dataclass(frozen=True, slots=True)
class ResumeSection:
    """A heading's kind, and the lines below it."""

    kind: SectionKind
    lines: tuple[TextLine, ...]


@dataclass(frozen=True, slots=True)
class _Style:
    """What headings have in common."""

    size: int
    is_bold: bool
    is_upper: bool
    is_heading: bool


def split_sections(lines: Sequence[TextLine]) -> tuple[ResumeSection, ...]:
    """Return the sections in the order of the text; text of a new block has no heading until one comes."""
    styles = _HeadingStyles(lines)
    sections: list[tuple[SectionKind, list[TextLine]]] = [(SectionKind.LOOSE, [])]
    block = lines[0].block if lines else 0
    for line in lines:
        if line.block != block:
            sections.append((SectionKind.LOOSE, []))
            block = line.block
        kind, rest = styles.read_heading(line, sections[-1][0], has_heading=len(sections) > 1)
        if kind is not None:
            sections.append((kind, []))
        sections[-1][1].extend(rest)
    return tuple(ResumeSection(kind, tuple(found)) for kind, found in sections if found)


def lines_of(sections: Iterable[ResumeSection], *kinds: SectionKind) -> tuple[TextLine, ...]:
    """Return the lines of all sections of these kinds."""
    return tuple(line for section in sections if section.kind in kinds for line in section.lines)


class _HeadingStyles:
    """Tells headings from other lines by their words and by how the document's headings look."""

    def __init__(self, lines: Sequence[TextLine]) -> None:
        self._text_size = _usual_size(lines)
        known = [line for line in lines if CELL_BREAK not in line.text and heading_kind(line.text)]
        self._emphasised = Counter(_style(line) for line in known if self._is_emphasised(line))
        self._needs_emphasis = self._emphasised.total() >= 2
        self._distinct = {
            style for style, count in self._emphasised.items() if count >= 2 and self._is_distinct(style)
        }

    def read_heading(
        self, line: TextLine, current: SectionKind, *, has_heading: bool
    ) -> tuple[SectionKind | None, Iterator[TextLine] | tuple[TextLine, ...]]:
        """Return the kind of section that the line begins, or None, and the text that belongs to it."""
        kind = heading_kind(line.text) if CELL_BREAK not in line.text else None
        if kind is not None and (not self._needs_emphasis or self._is_emphasised(line)):
            return kind, ()
        if kind is None and has_heading and self._looks_like_heading(line):
            return SectionKind.OTHER, ()
        label, rest = split_label(line.text)
        labelled = heading_kind(label) if label and rest else None
        if labelled is not None and (self._is_margin(line.text) or current in _LABELLED_BY_COLON):
            return labelled, (replace(line, text=rest),)
        return None, (line,)

    def _is_margin(self, text: str) -> bool:
        return CELL_BREAK in text

    def _is_emphasised(self, line: TextLine) -> bool:
        return line.is_bold or self._is_distinct(_style(line))

    def _is_distinct(self, style: _Style) -> bool:
        return style.is_heading or style.is_upper or (0 < self._text_size * 2 * _LARGER < style.size)

    def _looks_like_heading(self, line: TextLine) -> bool:
        text = line.text
        return (
            len(text.split()) <= _MAX_UNKNOWN_WORDS
            and CELL_BREAK not in text
            and not line.is_bullet
            and _style(line) in self._distinct
            and not read_spans(text)
        )


def _usual_size(lines: Sequence[TextLine]) -> float:
    """Return the size of most of the text; 0 when sizes are unknown."""
    sizes = Counter[float]()
    for line in lines:
        sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _style(line: TextLine) -> _Style:
    text = line.text
    return _Style(round(line.size * 2), line.is_bold, text.isupper() and len(text) > 3, line.is_heading)
