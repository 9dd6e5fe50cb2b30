"""The trace store's HTML pages: a search, and the spans of one trace over time."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zlib import crc32

from jinja2 import Environment, FileSystemLoader

from devstack.traces.spans import StoredSpan
from devstack.traces.store import format_value

MAX_SHOWN_SPANS: Final = 2_000
_MIN_WIDTH_PERCENT: Final = 0.3
"""The width of a bar that would be too narrow to see."""
_templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
_templates.filters["value"] = format_value


@dataclass(frozen=True)
class SpanRow:
    """A span with its place on the page: depth below the first one, left edge and width in percent."""

    span: StoredSpan
    depth: int
    left: float
    width: float

    @property
    def hue(self) -> int:
        """The colour of its service, in degrees."""
        return crc32(self.span.service.encode()) % 360


@dataclass(frozen=True)
class TraceSummary:
    """A trace in the list of results."""

    trace_id: str
    name: str
    started_at: str
    duration: str
    spans: int
    services: tuple[str, ...]
    errors: int


def render_search(
    services: Sequence[str],
    found: Sequence[Sequence[StoredSpan]],
    *,
    asked: Mapping[str, str],
    problem: str,
    total: int,
) -> str:
    """Return the search form and the traces found."""
    return _templates.get_template("search.html").render(
        services=services,
        traces=[summarize(spans) for spans in found],
        asked=asked,
        problem=problem,
        total=total,
    )


def render_trace(trace_id: str, spans: Sequence[StoredSpan]) -> str:
    """Return the page of a trace; without spans one that says so."""
    return _templates.get_template("trace.html").render(
        trace_id=trace_id,
        summary=summarize(spans) if spans else None,
        rows=lay_out(spans[:MAX_SHOWN_SPANS]),
        hidden=max(len(spans) - MAX_SHOWN_SPANS, 0),
        format_duration=format_duration,
    )


def summarize(spans: Sequence[StoredSpan]) -> TraceSummary:
    """Return the summary of a trace, whose spans are ordered by start."""
    known = {span.span_id for span in spans}
    first = next((span for span in spans if span.parent_id not in known), spans[0])
    end_us = max(span.start_us + span.duration_us for span in spans)
    return TraceSummary(
        trace_id=first.trace_id,
        name=f"{first.service}: {first.name}",
        started_at=_format_time(spans[0].start_us),
        duration=format_duration(end_us - spans[0].start_us),
        spans=len(spans),
        services=tuple(sorted({span.service for span in spans})),
        errors=sum(span.is_error for span in spans),
    )


def lay_out(spans: Sequence[StoredSpan]) -> list[SpanRow]:
    """Return the spans as rows: each below its parent, siblings by start."""
    if not spans:
        return []
    known = {span.span_id for span in spans}
    children: dict[str, list[StoredSpan]] = defaultdict(list)
    for span in spans:
        is_inner = span.parent_id in known and span.parent_id != span.span_id
        children[span.parent_id if is_inner else ""].append(span)
    start_us = min(span.start_us for span in spans)
    length_us = max(max(span.start_us + span.duration_us for span in spans) - start_us, 1)
    rows: list[SpanRow] = []
    waiting = [(span, 0) for span in reversed(children.pop("", []))]
    while waiting:
        span, depth = waiting.pop()
        left = 100 * (span.start_us - start_us) / length_us
        width = max(100 * span.duration_us / length_us, _MIN_WIDTH_PERCENT)
        rows.append(SpanRow(span, depth, round(min(left, 100 - _MIN_WIDTH_PERCENT), 3), round(width, 3)))
        waiting += [(child, depth + 1) for child in reversed(children.pop(span.span_id, []))]
    return rows


def format_duration(duration_us: int) -> str:
    """Return a duration with three digits, such as `1.25 ms`."""
    if duration_us < 1_000:
        return f"{duration_us} µs"
    if duration_us < 1_000_000:
        return f"{duration_us / 1_000:.3g} ms" if duration_us < 100_000 else f"{duration_us // 1_000} ms"
    return (
        f"{duration_us / 1_000_000:.3g} s" if duration_us < 100_000_000 else f"{duration_us // 1_000_000} s"
    )


def _format_time(at_us: int) -> str:
    """Return a time in UTC; one that no calendar has as its number."""
    try:
        return datetime.fromtimestamp(at_us / 1_000_000, UTC).isoformat(" ", "milliseconds")[:23]
    except (OverflowError, ValueError, OSError):
        return f"{at_us} µs"
