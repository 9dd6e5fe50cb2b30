"""The reading order of a page: rows of words, columns, and labels in the margin.

A column and a margin look alike: blank space from top to bottom with text on both sides. They differ in what
the text is. Headings, dates and names of fields on the left, or dates on the right, belong to the text of
their row; all else is a column of its own, which is read to its end first.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from services.user.domain.resumes.dates import is_date_only
from services.user.domain.resumes.headings import heading_kind
from services.user.domain.resumes.page_rows import (
    ALIGNMENT_POINTS,
    LINE_STEP,
    ROW_TOLERANCE,
    PageRow,
    lines_of_rows,
    rows_of,
)
from services.user.domain.resumes.text import CELL_BREAK, PlacedWord, TextLine

MAX_COLUMN_DEPTH: Final = 3
MAX_GUTTER_CANDIDATES: Final = 30
MIN_GUTTER_POINTS: Final = 7.0
MIN_COLUMN_ROWS: Final = 3
MIN_LABEL_SHARE: Final = 0.6
MIN_DATE_SHARE: Final = 0.3
MAX_NOTE_CHARS: Final = 32
MIN_ALIGNED_SHARE: Final = 0.4
_MIN_FLOW_STEP: Final = 0.9
"""The line spacing of one text, in sizes of the letters, is above it."""

LabelTest = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Gutter:
    """Blank space left of `x` in the rows from `first` to `stop`."""

    x: float
    first: int
    stop: int
    score: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class _Region:
    """Lines that are read one after the other; `column` is "" across the page, "L" or "R" beside another."""

    lines: tuple[TextLine, ...]
    column: str = ""


def arrange_lines(pages: Sequence[Sequence[PlacedWord]], is_label: LabelTest) -> tuple[TextLine, ...]:
    """Return the lines of all pages in reading order, a column that goes on across pages in one piece."""
    regions: list[_Region] = []
    for words in pages:
        found = _read_region(rows_of(words), is_label, 0)
        regions = _continue_columns(regions, found)
    return tuple(replace(line, block=block) for block, region in enumerate(regions) for line in region.lines)


def arrange_table(rows: Sequence[Sequence[Sequence[TextLine]]], is_label: LabelTest) -> list[list[TextLine]]:
    """Return the blocks of a table's cells: row by row beside labels or dates, else column by column."""
    width = max(map(len, rows), default=0)
    columns = [[line for row in rows if at < len(row) for line in row[at]] for at in range(width)]
    filled = [column for column in columns if column]
    if len(filled) < 2 or _is_row_wise(filled, is_label) or _is_grid(rows):
        return [[line for row in rows for line in _join_cells(row)]]
    return filled


def _is_grid(rows: Sequence[Sequence[Sequence[TextLine]]]) -> bool:
    """Return whether it is a table of short cells, of which a row says one thing."""
    cells = [cell for row in rows for cell in row]
    return len(rows) > 2 and all(len(cell) <= 1 for cell in cells)


def _is_row_wise(columns: Sequence[Sequence[TextLine]], is_label: LabelTest) -> bool:
    return _is_labelling([line.text for line in columns[0]], is_label) or _is_dates(
        [line.text for line in columns[-1]]
    )


def _join_cells(cells: Sequence[Sequence[TextLine]]) -> list[TextLine]:
    """Return the lines of a row; the first lines of its cells stand in one line."""
    filled = [cell for cell in cells if cell]
    if not filled:
        return []
    heads = CELL_BREAK.join(cell[0].text for cell in filled)
    joined = replace(filled[-1][0], text=heads, is_bold=any(cell[0].is_bold for cell in filled))
    if any(line.is_bullet for line in (cell[0] for cell in filled)) and len(filled) > 1:
        return [line for cell in filled for line in cell]
    return [joined, *(line for cell in filled for line in cell[1:])]


def _belong_to_rows(side: Sequence[PageRow], other: Sequence[PageRow], is_label: LabelTest) -> bool:
    """Return whether one side labels the other's rows: most of it does, or its dates stand in these rows."""
    texts = [row.text for row in side]
    if _is_labelling(texts, is_label):
        return True
    dates = [row.baseline for row in side if is_date_only(row.text)]
    if len(dates) < MIN_DATE_SHARE * len(side) or max(map(len, texts)) > MAX_NOTE_CHARS:
        return False
    tolerance = ROW_TOLERANCE * max(side[0].words[0].size, 6.0)
    return all(any(abs(row.baseline - date) <= tolerance for row in other) for date in dates)


def _is_labelling(texts: Sequence[str], is_label: LabelTest) -> bool:
    return bool(texts) and sum(map(is_label, texts)) >= MIN_LABEL_SHARE * len(texts)


def _is_dates(texts: Sequence[str]) -> bool:
    return _is_labelling(texts, is_date_only)


def _continue_columns(regions: list[_Region], following: list[_Region]) -> list[_Region]:
    """Add a page's regions to those before; columns that reach its top continue those of the page before."""
    shape = [region.column for region in following]
    if [region.column for region in regions[-2:]] == ["L", "R"] and shape[:2] == ["L", "R"]:
        longer = [
            replace(before, lines=before.lines + after.lines)
            for before, after in zip(regions[-2:], following[:2], strict=True)
        ]
        return [*regions[:-2], *longer, *following[2:]]
    if regions and following and not following[0].column:
        last, first = regions[-1], following[0]
        return [*regions[:-1], replace(last, lines=last.lines + first.lines), *following[1:]]
    return [*regions, *following]


def _read_region(rows: list[PageRow], is_label: LabelTest, depth: int) -> list[_Region]:
    gutter = _best_gutter(rows) if depth < MAX_COLUMN_DEPTH else None
    if gutter is None:
        lines = lines_of_rows(rows)
        return [_Region(lines)] if lines else []
    if labelled := _labelled_rows(rows, gutter, is_label):
        body = _join_divided_labels(rows[labelled.first : labelled.stop], labelled.x)
        middle = _Region(lines_of_rows(body, cell_at=labelled.x))
        above = _read_region(rows[: labelled.first], is_label, depth)
        below = _read_region(rows[labelled.stop :], is_label, depth)
        return _merged([*above, middle, *below])
    left, right = _sides(rows, gutter)
    above = _read_region(rows[: gutter.first], is_label, depth)
    below = _read_region(rows[gutter.stop :], is_label, depth)
    columns = [
        _Region(
            tuple(line for region in _read_region(side, is_label, depth + 1) for line in region.lines), name
        )
        for side, name in ((left, "L"), (right, "R"))
    ]
    return [*above, *columns, *below]


def _sides(rows: Sequence[PageRow], gutter: _Gutter) -> tuple[list[PageRow], list[PageRow]]:
    """Return the parts of the gutter's rows on its left and on its right."""
    body = rows[gutter.first : gutter.stop]
    left = [part for row in body if (part := row.part(left_of=gutter.x))]
    return left, [part for row in body if (part := row.part(right_of=gutter.x))]


def _labelled_rows(rows: Sequence[PageRow], gutter: _Gutter, is_label: LabelTest) -> _Gutter | None:
    """Return the rows of which one side labels the other; None when both sides are columns.

    Rows above and below that have text on one side only say nothing of it, and are no part of the answer.
    """
    body = rows[gutter.first : gutter.stop]
    lefts = [at for at, row in enumerate(body) if row.words[0].left < gutter.x]
    rights = [at for at, row in enumerate(body) if row.words[-1].left >= gutter.x]
    first, stop = max(lefts[0], rights[0]), min(lefts[-1], rights[-1]) + 1
    if is_label(body[lefts[0]].text):
        first = min(first, lefts[0])
    both = _Gutter(gutter.x, gutter.first + first, gutter.first + max(stop, rights[-1] + 1))
    joined = _join_divided_labels(rows[both.first : both.stop], both.x)
    left, right = _sides(joined, replace(both, first=0, stop=len(joined)))
    if not left or not right:
        return None
    is_labelled = _belong_to_rows(left, right, is_label) or _belong_to_rows(right, left, is_date_only)
    return both if is_labelled else None


def _join_divided_labels(rows: Sequence[PageRow], x: float) -> list[PageRow]:
    """Return the rows; a heading in the margin that goes on in a row below stands in its first row."""
    joined: list[PageRow] = []
    labelled = -1
    for row in rows:
        label, above = row.part(left_of=x), joined[labelled].part(left_of=x) if labelled >= 0 else None
        is_divided = label is not None and above is not None and _goes_on(above, label)
        if is_divided and label is not None and above is not None:
            beside, right = joined[labelled].part(right_of=x), row.part(right_of=x)
            joined[labelled] = PageRow(above.words + label.words + (beside.words if beside else ()))
            joined += [right] if right else []
            continue
        joined.append(row)
        labelled = len(joined) - 1 if label else labelled
    return joined


def _goes_on(label: PageRow, following: PageRow) -> bool:
    """Return whether a label and the one below it are one heading."""
    is_near = following.baseline - label.baseline < LINE_STEP * max(label.words[0].size, 1.0)
    return is_near and heading_kind(f"{label.text} {following.text}") is not None


def _merged(regions: Iterable[_Region]) -> list[_Region]:
    """Return the regions, neighbours across the page as one."""
    merged: list[_Region] = []
    for region in regions:
        if merged and not merged[-1].column and not region.column:
            merged[-1] = replace(merged[-1], lines=merged[-1].lines + region.lines)
        else:
            merged.append(region)
    return merged


def _best_gutter(rows: Sequence[PageRow]) -> _Gutter | None:
    edges = Counter[float]()
    for row in rows:
        edges.update(round(edge / 2) * 2.0 for edge in _segment_edges(row))
    candidates = [
        edge for edge, count in edges.most_common(MAX_GUTTER_CANDIDATES) if count >= MIN_COLUMN_ROWS
    ]
    gutters = [gutter for edge in candidates for gutter in _gutters_at(rows, edge - ALIGNMENT_POINTS)]
    return max(gutters, key=lambda gutter: (gutter.score, -gutter.x), default=None)


def _segment_edges(row: PageRow) -> list[float]:
    """Return where the row's text begins, and begins again after a gap."""
    edges = [row.words[0].left]
    edges += [
        after.left for before, after in pairwise(row.words) if after.left - before.right >= MIN_GUTTER_POINTS
    ]
    return edges


def _gutters_at(rows: Sequence[PageRow], x: float) -> Iterable[_Gutter]:
    """Yield the runs of rows that leave the space left of `x` blank, with enough rows on both sides."""
    first = 0
    while first < len(rows):
        stop = first
        while stop < len(rows) and not _is_crossed(rows[stop], x):
            stop += 1
        if stop > first:
            gutter = _rate_gutter(rows, x, first, stop)
            if gutter is not None:
                yield gutter
        first = stop + 1


def _is_crossed(row: PageRow, x: float) -> bool:
    return any(word.left < x and word.right > x - MIN_GUTTER_POINTS + ALIGNMENT_POINTS for word in row.words)


def _is_one_flow(rows: Sequence[PageRow], x: float) -> bool:
    """Return whether the rows are one text whose parts are indented: no row is beside another one."""
    if any(row.words[0].left < x <= row.words[-1].left for row in rows):
        return False
    return all(
        after.baseline - before.baseline >= _MIN_FLOW_STEP * before.words[0].size
        for before, after in pairwise(rows)
    )


def _rate_gutter(rows: Sequence[PageRow], x: float, first: int, stop: int) -> _Gutter | None:
    lefts = [row for row in rows[first:stop] if row.words[0].left < x]
    rights = [part for row in rows[first:stop] if (part := row.part(right_of=x))]
    if min(len(lefts), len(rights)) < MIN_COLUMN_ROWS or _is_one_flow(rows[first:stop], x):
        return None
    aligned = sum(part.words[0].left - x <= 2 * ALIGNMENT_POINTS for part in rights)
    if aligned < MIN_ALIGNED_SHARE * len(rights):
        return None
    return _Gutter(x, first, stop, (len(lefts) + len(rights), min(len(lefts), len(rights))))
