"""Entries of a section on education or experience: which lines belong to one, and the parts of its head.

Each entry has one period, and a document places it alike in all entries: on the first line of the entry, or
below the title. So the first entry shows where each further one begins.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from services.user.domain.resumes.dates import DateSpan, first_period, is_date_only, without_span
from services.user.domain.resumes.text import CELL_BREAK, TextLine, join_wrapped, without_bullet

MAX_HEAD_LINES: Final = 3
"""Lines of an entry's head beside the one with its period."""
MAX_DATED_LINE_CHARS: Final = 140
_MIN_PROSE_WORDS: Final = 9
_INDENT_POINTS: Final = 2.5
_STRONG_SEPARATOR: Final = re.compile(
    rf"{CELL_BREAK}|\s+[|·•–—]\s*|\s+-\s+|\s*[|•]\s*|\s+@\s+|\s+(?:at|bei|beim)\s+|\s*;\s+|\s//\s"
)
_OPEN_PERIOD: Final = re.compile(
    r"\d\s*(?:[-–—]|\b(?:bis|to|until)\b)\s*(?:[^\W\d]{3,9}\.?)?\s*$", re.IGNORECASE
)
_DURATION: Final = re.compile(
    r"\(?(?:\d{1,2}\+?\s*(?:yrs?|years?|mos?|months?|weeks?|jahre?|monate?|wochen?)\.?[\s,]*)+\)?",
    re.IGNORECASE,
)
_BRACKETED: Final = re.compile(r"\s*[(\[]([^()\[\]]{2,60})[)\]]")


@dataclass(frozen=True, slots=True)
class ResumeEntry:
    """One entry: the lines of its head without the period, the period, and the lines below."""

    head: tuple[TextLine, ...]
    period: DateSpan | None
    body: tuple[TextLine, ...]
    source: str


def split_entries(lines: Sequence[TextLine]) -> tuple[ResumeEntry, ...]:
    """Return the entries of a section, in order."""
    lines = _join_divided_periods(join_wrapped(map(_without_wrap_after_period, lines)))
    in_body = _body_flags(lines)
    dated = _dated_lines(lines, in_body)
    starts = _starts_by_period(dated, in_body) if dated else _starts_by_look(lines, in_body)
    bounds = [*starts, len(lines)]
    entries = [
        _read_entry(lines[start:stop], in_body[start:stop])
        for start, stop in zip(starts, bounds[1:], strict=True)
    ]
    return tuple(entry for entry in entries if entry.head)


def head_pieces(entry: ResumeEntry) -> list[str]:
    """Return the parts of an entry's head, each once, in order."""
    pieces: list[str] = []
    for line in entry.head:
        for cell in _STRONG_SEPARATOR.split(without_bullet(line.text)):
            tidy = cell.strip(" ,;:|·•–—-")
            if tidy and tidy not in pieces and not _DURATION.fullmatch(tidy):
                pieces.append(tidy)
    return pieces


def split_brackets(text: str) -> tuple[str, list[str]]:
    """Return the text without what stands in brackets, and that."""
    return _BRACKETED.sub("", text).strip(" ,"), [found.strip() for found in _BRACKETED.findall(text)]


def _without_wrap_after_period(line: TextLine) -> TextLine:
    """Return the line; one that ends with a whole period is complete."""
    period = first_period(line.text) if line.is_wrapped and CELL_BREAK not in line.text else None
    is_complete = period is not None and period.is_range and len(line.text.rstrip(" )")) <= period.stop
    return replace(line, is_wrapped=False) if is_complete else line


def _join_divided_periods(lines: Sequence[TextLine]) -> list[TextLine]:
    """Return the lines; a period that goes on in the next line, as in a narrow column, stands in one."""
    joined: list[TextLine] = []
    for line in lines:
        rest, mark, others = line.text.partition(CELL_BREAK)
        whole = _join_period(joined[-1].text, rest) if joined else ""
        if whole:
            joined[-1] = replace(joined[-1], text=whole)
            if mark:
                joined.append(replace(line, text=others))
        else:
            joined.append(line)
    return joined


def _join_period(text: str, rest: str) -> str:
    """Return the line with the rest of its period; "" when its first or last cell has no open period."""
    cells = text.split(CELL_BREAK)
    for at in (0, len(cells) - 1):
        if _OPEN_PERIOD.search(cells[at]):
            whole = f"{cells[at]} {rest}"
            period = first_period(whole)
            if (
                period is not None
                and period.is_range
                and len(cells[at]) < period.stop >= len(whole.rstrip(" )"))
            ):
                return CELL_BREAK.join([*cells[:at], whole, *cells[at + 1 :]])
    return ""


def _body_flags(lines: Sequence[TextLine]) -> list[bool]:
    """Return for each line whether it is text below a head: an item, its continuation, or prose."""
    flags: list[bool] = []
    for at, line in enumerate(lines):
        before = lines[at - 1] if at else None
        flags.append(
            (line.is_bullet and first_period_of(line) is None)
            or (_is_prose(line) and not _is_title(line, lines[at + 1] if at + 1 < len(lines) else None))
            or (before is not None and flags[-1] and _continues(before, line, lines[:at]))
        )
    return flags


def _is_title(line: TextLine, following: TextLine | None) -> bool:
    """Return whether it is a long line without an end of a sentence, and the period stands below it."""
    is_short = len(line.text.split()) < 2 * _MIN_PROSE_WORDS and line.text[-1:] not in ".!?"
    return is_short and following is not None and first_period_of(following) is not None


def _continues(before: TextLine, line: TextLine, earlier: Sequence[TextLine]) -> bool:
    if line.is_apart or line.is_bold or first_period_of(line) is not None:
        return False
    bullet = next((each for each in reversed(earlier) if each.is_bullet), None)
    is_indented = bullet is not None and bullet.left > 0 and line.left > bullet.left + _INDENT_POINTS
    return is_indented or line.text[:1].islower() or (_is_open(before) and line.left == before.left > 0)


def _is_open(line: TextLine) -> bool:
    """Return whether the sentence of a line goes on in the next one."""
    return not line.is_bullet and line.text[-1:] not in ".!?:" and len(line.text.split()) >= _MIN_PROSE_WORDS


def _is_prose(line: TextLine) -> bool:
    text = line.text
    words = text.split()
    if CELL_BREAK in text or line.is_bold or first_period_of(line) is not None:
        return False
    return len(words) >= _MIN_PROSE_WORDS or (text.endswith(".") and len(words) >= 4)


def first_period_of(line: TextLine) -> DateSpan | None:
    """Return the period of a line that can be an entry's; None for running text."""
    if len(line.text) > MAX_DATED_LINE_CHARS:
        return None
    found = first_period(line.text)
    if found is None or found.is_range or found.is_ongoing:
        if found is not None and line.is_bullet and len(line.text.split()) > _MIN_PROSE_WORDS:
            return None
        return found
    if CELL_BREAK in line.text and any(map(is_date_only, line.text.split(CELL_BREAK))):
        return found
    # A date alone in a sentence is no period.
    is_sentence = line.text.endswith(".") and len(line.text.split()) > 3
    return None if is_sentence or line.is_bullet or len(line.text.split()) > _MIN_PROSE_WORDS else found


def _dated_lines(lines: Sequence[TextLine], in_body: Sequence[bool]) -> list[int]:
    """Return the lines with periods; single dates count when there is no other period near."""
    found = {at: first_period_of(line) for at, line in enumerate(lines) if not in_body[at]}
    periods = {at: period for at, period in found.items() if period is not None}
    ranges = [at for at, period in periods.items() if period.is_range or period.is_ongoing]
    singles = [at for at in periods if at not in ranges and not any(abs(at - other) <= 2 for other in ranges)]
    return sorted([*ranges, *singles])


def _starts_by_period(dated: Sequence[int], in_body: Sequence[bool]) -> list[int]:
    offset = dated[0] if dated[0] < MAX_HEAD_LINES and not any(in_body[: dated[0]]) else 0
    starts = [dated[0] - offset]
    for before, at in pairwise(dated):
        body_end = max((row + 1 for row in range(before, at) if in_body[row]), default=None)
        start = at - offset
        if body_end is not None and at - body_end < MAX_HEAD_LINES:
            start = body_end
        starts.append(max(start, before + 1))
    return starts


def _starts_by_look(lines: Sequence[TextLine], in_body: Sequence[bool]) -> list[int]:
    """Return the starts of entries without periods: after text, or where a paragraph begins."""
    return [
        at
        for at, line in enumerate(lines)
        if not in_body[at] and (at == 0 or in_body[at - 1] or line.is_apart)
    ] or [0]


def _read_entry(lines: Sequence[TextLine], in_body: Sequence[bool]) -> ResumeEntry:
    dated = next(
        (at for at, line in enumerate(lines) if not in_body[at] and first_period_of(line) is not None), None
    )
    stop = _head_stop(lines, in_body, dated if dated is not None else 0)
    period = first_period_of(lines[dated]) if dated is not None else None
    head = [
        _without_period(line, period) if at == dated and period else line
        for at, line in enumerate(lines[:stop])
    ]
    source = "\n".join(line.text.replace(CELL_BREAK, "  ") for line in lines)
    return ResumeEntry(tuple(line for line in head if line.text), period, tuple(lines[stop:]), source)


def _head_stop(lines: Sequence[TextLine], in_body: Sequence[bool], dated: int) -> int:
    stop = dated + 1
    while stop < len(lines) and stop < dated + MAX_HEAD_LINES and not in_body[stop]:
        stop += 1
    return stop


def _without_period(line: TextLine, period: DateSpan) -> TextLine:
    return replace(line, text=without_span(line.text, period))
