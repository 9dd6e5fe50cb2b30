"""A simulation for the screen, as JSON, and as a plot in SVG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from ops.capacity.quantities import format_amount
from ops.capacity.simulation.scenarios import SimulationRun
from ops.capacity.simulation.simulator import SimulatedSecond

TARGET_MS: Final = 100.0
SPARKS: Final = "▁▂▃▄▅▆▇█"
MAX_POINTS: Final = 72
PLOT_WIDTH: Final = 720
PLOT_HEIGHT: Final = 130
MARGIN: Final = 60
COLOURS: Final = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#e377c2")


OUTCOMES: Final = {
    "answered": "answered",
    "refused": "refused (429, 503)",
    "timed_out": "too late",
    "lost": "lost with the region",
}


@dataclass(frozen=True)
class PlottedSeries:
    """A line of the plot: a name, a unit, and values at equal distances of time."""

    name: str
    unit: str
    values: tuple[float, ...]


def plotted_series(run: SimulationRun) -> list[PlottedSeries]:
    """Return rate, errors, p99, and pods of the stations that changed, thinned out to `MAX_POINTS`."""
    seconds = thin_out(run.seconds)
    scaled = [name for name in seconds[0].pods if len({second.pods[name] for second in run.seconds}) > 1]
    busiest = max(seconds[0].utilisation, key=lambda name: max(s.utilisation[name] for s in run.seconds))

    def series(name: str, unit: str, value: Callable[[SimulatedSecond], float]) -> PlottedSeries:
        return PlottedSeries(name, unit, tuple(value(second) for second in seconds))

    return [
        series("requests", "/s in a region", lambda second: second.arrived),
        series("errors", "%", lambda second: round(100 * second.error_rate, 3)),
        series("p99", "ms", lambda second: second.p99_ms()),
        series(f"CPU of {busiest}", "%", lambda second: 100 * second.utilisation[busiest]),
        *(
            series(f"pods of {name}", "in a region", lambda second, name=name: second.pods[name])  # type: ignore[misc]
            for name in scaled
        ),
    ]


def thin_out(seconds: Sequence[SimulatedSecond], most: int = MAX_POINTS) -> list[SimulatedSecond]:
    """Return seconds at equal distances, at most `most` of them."""
    step = max(1, -(-len(seconds) // most))
    return list(seconds[step - 1 :: step])


def summary_lines(run: SimulationRun) -> list[str]:
    """Return what became of the requests, the worst moments, and the latency of each kind at the end."""
    seconds, last = run.seconds, run.seconds[-1]
    worst = max(seconds, key=lambda second: second.error_rate)
    plotted = thin_out(seconds)
    slowest = max(plotted, key=lambda second: second.p99_ms())
    slow = [second for second in plotted if second.p99_ms() > TARGET_MS]
    ended = {name: sum(getattr(second, name) for second in seconds) for name in OUTCOMES}
    total = sum(ended.values()) or 1.0
    by_kind = ", ".join(f"{kind} {ms:.0f} ms" for kind, ms in kind_latencies(last).items())
    pods = ", ".join(f"{name} {count:.0f}" for name, count in last.pods.items() if count >= 1)
    return [
        ", ".join(f"{OUTCOMES[name]} {count / total:.2%}" for name, count in ended.items()),
        f"most errors: {worst.error_rate:.1%} after {worst.time_s:.0f} s; "
        f"highest p99: {slowest.p99_ms():.0f} ms after {slowest.time_s:.0f} s; above {TARGET_MS:.0f} ms for "
        f"{len(slow) / len(plotted):.0%} of the time",
        f"p99 at the end by kind: {by_kind}",
        f"pods of a region at the end: {pods}",
    ]


def kind_latencies(second: SimulatedSecond) -> dict[str, float]:
    """Return the p99 of each kind, in ms, the slowest first."""
    kinds = dict.fromkeys(each.kind for each in second.latencies)
    found = {kind: second.p99_ms(kind) for kind in kinds}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def spark_lines(run: SimulationRun) -> list[str]:
    """Return a line of blocks for each series, with its lowest and highest value."""
    series = plotted_series(run)
    width = max(len(f"{each.name}, {each.unit}") for each in series)
    return [
        f"{f'{each.name}, {each.unit}':<{width}}  {_sparks(each.values)}  "
        f"{format_amount(min(each.values))} to {format_amount(max(each.values))}"
        for each in series
    ]


def run_content(run: SimulationRun) -> dict[str, Any]:
    """Return a run for JSON: every series, and the p99 of each kind at the end in ms."""
    seconds = thin_out(run.seconds)
    return {
        "scenario": run.scenario,
        "regions": run.regions,
        "time_s": [second.time_s for second in seconds],
        "series": {f"{each.name}, {each.unit}": list(each.values) for each in plotted_series(run)},
        "totals_of_a_region": {
            name: sum(getattr(second, name) for second in run.seconds) for name in ("arrived", *OUTCOMES)
        },
        "p99_ms_by_kind_at_end": kind_latencies(run.seconds[-1]),
    }


def render_svg(runs: Sequence[SimulationRun]) -> str:
    """Return one plot for each series of each run, below each other."""
    parts, top = [], 10
    for run in runs:
        parts.append(f'<text x="{MARGIN}" y="{top + 14}" font-weight="bold">{escape(run.scenario)}</text>')
        top += 24
        for number, each in enumerate(plotted_series(run)):
            colour = COLOURS[number % len(COLOURS)]
            parts.append(_svg_panel(each, run.seconds[-1].time_s, top, colour))
            top += PLOT_HEIGHT + 40
    size = f'width="{PLOT_WIDTH + 2 * MARGIN}" height="{top}"'
    style = 'font-family="sans-serif" font-size="12"'
    background = '<rect width="100%" height="100%" fill="white"/>'
    body = "\n".join([background, *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{body}\n</svg>\n'


def _svg_panel(series: PlottedSeries, duration_s: float, top: int, colour: str) -> str:
    highest = max(*series.values, 1e-9)
    count = max(1, len(series.values) - 1)
    points = " ".join(
        f"{MARGIN + PLOT_WIDTH * i / count:.1f},{top + PLOT_HEIGHT * (1 - value / highest):.1f}"
        for i, value in enumerate(series.values)
    )
    bottom, title = top + PLOT_HEIGHT, escape(f"{series.name}, {series.unit}")
    return (
        f'<rect x="{MARGIN}" y="{top}" width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}" '
        'fill="none" stroke="#ccc"/>\n'
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
        f'<text x="{MARGIN + 6}" y="{top + 16}">{title}</text>\n'
        f'<text x="{MARGIN - 6}" y="{top + 10}" text-anchor="end">{format_amount(highest)}</text>\n'
        f'<text x="{MARGIN - 6}" y="{bottom}" text-anchor="end">0</text>\n'
        f'<text x="{MARGIN + PLOT_WIDTH}" y="{bottom + 16}" text-anchor="end">{duration_s:.0f} s</text>'
    )


def _sparks(values: Sequence[float]) -> str:
    low, spread = min(values), max(values) - min(values)
    scale = (len(SPARKS) - 1) / spread if spread > 0 else 0.0
    return "".join(SPARKS[round((value - low) * scale)] for value in values)
