"""One page of HTML about a run, which asks for nothing from outside."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from verify.load.load_result import LoadInterval, LoadResult
from verify.load.profiles import LoadProfile

TEMPLATE: Final = "report.html.j2"
CHART_WIDTH, CHART_HEIGHT = 800, 140
MIN_INTERVALS: Final = 2


@dataclass(frozen=True)
class LoadChart:
    """Two lines over time as points of SVG, each scaled to its own maximum."""

    width: int
    height: int
    rate_points: str
    p99_points: str
    max_rate: float
    max_p99_ms: float
    duration_s: float


def render_report(
    profile: LoadProfile,
    target: str,
    results: Sequence[LoadResult],
    breaches: Sequence[str],
    made_at: datetime | None = None,
) -> str:
    """Return the page; what others chose, such as names and reasons, is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"figure": format_figure, "chart": draw_chart}
    return environment.get_template(TEMPLATE).render(
        profile=profile.name,
        target=target,
        made_at=f"{made_at or datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        thresholds=profile.thresholds,
        results=results,
        breaches=breaches,
    )


def format_figure(figure: float) -> str:
    """Return a figure in at most three significant digits; a dash when there is none."""
    if not math.isfinite(figure):
        return "-"
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def draw_chart(intervals: Sequence[LoadInterval]) -> LoadChart | None:
    """Return the lines of the intervals that have answers; None for fewer than two of them."""
    drawn = [each for each in intervals if math.isfinite(each.p99_ms)]
    if len(drawn) < MIN_INTERVALS:
        return None
    max_rate = max(each.requests_per_s for each in drawn)
    max_p99_ms = max(each.p99_ms for each in drawn)
    first, last = drawn[0].start_s, drawn[-1].start_s
    starts = [(each.start_s - first) / ((last - first) or 1) for each in drawn]
    return LoadChart(
        CHART_WIDTH,
        CHART_HEIGHT,
        _points(starts, [each.requests_per_s / (max_rate or 1) for each in drawn]),
        _points(starts, [each.p99_ms / (max_p99_ms or 1) for each in drawn]),
        max_rate,
        max_p99_ms,
        last - first,
    )


def _points(starts: Sequence[float], heights: Sequence[float]) -> str:
    pairs = zip(starts, heights, strict=True)
    return " ".join(f"{x * CHART_WIDTH:.1f},{CHART_HEIGHT * (1 - 0.9 * y):.1f}" for x, y in pairs)
