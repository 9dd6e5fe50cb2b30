"""The report of a run: the machine, the stack's size, and the table, on the screen and as Markdown."""

import json
import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Self

import psutil
from rich.markup import escape
from rich.table import Table

from ops.console import console
from verify.bench.samples import BenchmarkResult, LoadSample, percentile, ratio

COLUMNS = (
    "what",
    "req/s",
    "req/CPU-s",
    "CPU µs",
    "p50 ms",
    "p99 ms",
    "req/s of baseline",
    "req/CPU-s of baseline",
    "failed",
    "load",
    "CPU counted",
)
SHARE_COLUMNS = ("CPU by process", "µs per call", "events per call", "events/CPU-s")
TEXT_COLUMNS = ("what", "CPU counted", "CPU by process")
NO_VALUE = "-"


@dataclass(frozen=True)
class Machine:
    """The machine of a run, with its load average of the minute before."""

    cores: int
    cpu: str
    memory_bytes: int
    load: float

    @classmethod
    def current(cls) -> Self:
        """Return this machine, now."""
        memory = int(psutil.virtual_memory().total)
        return cls(len(os.sched_getaffinity(0)), _cpu_model(), memory, os.getloadavg()[0])

    def __str__(self) -> str:
        memory = f"{self.memory_bytes / 2**30:.0f} GiB"
        return f"{self.cores} cores ({self.cpu}), {memory}, Python {platform.python_version()}"


@dataclass(frozen=True)
class BenchmarkReport:
    """One run."""

    machine: Machine
    stack_holds: Mapping[str, int]
    seconds: float
    results: Sequence[BenchmarkResult]

    def print_table(self) -> None:
        """Print the table, its notes and the failures."""
        console.print(_rich_table(COLUMNS, self.rows()))
        for result in self.results:
            if result.sample.shares:
                console.print(_rich_table(SHARE_COLUMNS, share_rows(result)))
        for line in (*self.notes(), *self.failures()):
            console.print(escape(line), soft_wrap=True)

    def markdown(self) -> str:
        """Return the report as Markdown."""
        tables = [_markdown_table(COLUMNS, self.rows())]
        tables += [
            _markdown_table(SHARE_COLUMNS, share_rows(result))
            for result in self.results
            if result.sample.shares
        ]
        notes = [f"- {line}" for line in (*self.notes(), *self.failures())]
        return "\n".join([*chain.from_iterable((*table, "") for table in tables), *notes, ""])

    def json(self) -> str:
        """Return the report as JSON, with the figures of each row and its baseline's name.

        `ic plan --measured FILE` reads it.
        """
        content = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {**asdict(self.machine), "python": platform.python_version()},
            "stack_holds": dict(self.stack_holds),
            "seconds": self.seconds,
            "rows": [self._row_figures(result) for result in self.results],
        }
        return json.dumps(content, indent=2) + "\n"

    def _row_figures(self, result: BenchmarkResult) -> dict[str, Any]:
        sample = result.sample
        baseline = next((each.sample for each in self.results if each.name == result.baseline), None)
        return {
            "name": result.name,
            "title": result.title,
            "baseline": result.baseline,
            "requests_per_s": _json_number(sample.per_s),
            "cpu_us": _json_number(sample.cpu_us),
            "cpu_counted": result.cpu_of,
            "p50_ms": _json_number(sample.latency_ms(0.50)),
            "p99_ms": _json_number(sample.latency_ms(0.99)),
            "share": _json_number(ratio(sample.per_s, baseline.per_s)) if baseline else None,
            "share_per_cpu_s": _json_number(ratio(sample.per_cpu_s, baseline.per_cpu_s))
            if baseline
            else None,
            "load_before": _json_number(result.load),
            "failures": dict(sample.failures),
            "cpu_shares": [asdict(share) for share in sample.shares],
            "commands_per_call": dict(sample.commands),
            "hit_rates": {layer: _json_number(rate) for layer, rate in sample.hit_rates.items()},
            "kinds": {
                kind: {
                    "requests": len(latencies_s),
                    "p50_ms": _json_number(percentile(latencies_s, 0.50) * 1000),
                    "p99_ms": _json_number(percentile(latencies_s, 0.99) * 1000),
                }
                for kind, latencies_s in sample.kinds.items()
            },
        }

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the table's cells, row by row."""
        samples = {result.name: result.sample for result in self.results}
        for result in self.results:
            sample = result.sample
            beside = samples.get(result.baseline or "")
            yield (
                result.title,
                _format_number(sample.per_s),
                _format_number(sample.per_cpu_s),
                _format_number(sample.cpu_us),
                _format_number(sample.latency_ms(0.50)),
                _format_number(sample.latency_ms(0.99)),
                _format_share(ratio(sample.per_s, beside.per_s)) if beside else NO_VALUE,
                _format_share(ratio(sample.per_cpu_s, beside.per_cpu_s)) if beside else NO_VALUE,
                str(sample.failed),
                _format_number(result.load),
                result.cpu_of,
            )

    def notes(self) -> Iterator[str]:
        """Yield the notes that explain the table."""
        yield str(self.machine)
        yield f"load average before: {self.machine.load:.1f}; the load generator runs on the same cores"
        yield "the stack holds " + ", ".join(f"{count:,} {what}" for what, count in self.stack_holds.items())
        yield f"{self.seconds:g} s a row, after a warm-up"
        for result in self.results:
            yield from (f"{result.title}: {note}" for note in _sample_notes(result.sample, self.seconds))

    def failures(self) -> Iterator[str]:
        """Yield the reasons of failed calls, warm-up included; none when none failed."""
        for result in self.results:
            for reason, times in _by_frequency(result.sample):
                yield f"{result.title}: {times} failed with {reason}"


def share_rows(result: BenchmarkResult) -> Iterator[tuple[str, ...]]:
    """Yield what each process used for one call of a row, the largest first."""
    calls = result.sample.successes
    for share in result.sample.shares:
        yield (
            f"{result.title}: {share.name}",
            _format_number(ratio(share.cpu_s * 1e6, calls)),
            _format_figure(ratio(share.events, calls)) if share.events else NO_VALUE,
            _format_number(share.events_per_cpu_s) if share.events else NO_VALUE,
        )


def save_json_report(report: BenchmarkReport, path: Path) -> None:
    """Write the report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.json())


def save_markdown_report(report: BenchmarkReport, path: Path) -> None:
    """Write the report as Markdown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.markdown())


def _sample_notes(sample: LoadSample, seconds: float) -> Iterator[str]:
    for kind, latencies_s in sample.kinds.items():
        p50, p99 = (_format_number(percentile(latencies_s, share) * 1000) for share in (0.50, 0.99))
        yield f"{kind}: {len(latencies_s):,} calls, p50 {p50} ms, p99 {p99} ms"
    if sample.hit_rates:
        rates = (f"{layer} {_format_share(rate)}" for layer, rate in sample.hit_rates.items())
        yield f"answered of the reads that reach a layer: {', '.join(rates)}"
    if sample.commands:
        counted = (f"{name} {count:.2f}" for name, count in sample.commands.items())
        yield f"commands of MongoDB per call: {', '.join(counted)}"
    if not sample.counted and sample.window_s < seconds * 0.95:
        yield f"the prepared calls lasted {sample.window_s:.1f} s only"


def _by_frequency(sample: LoadSample) -> Iterable[tuple[str, int]]:
    return sorted(sample.failures.items(), key=lambda pair: -pair[1])


def _rich_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in TEXT_COLUMNS else "right")
    for cells in rows:
        table.add_row(*cells)
    return table


def _markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rules = [":--" if column in TEXT_COLUMNS else "--:" for column in columns]
    return [_markdown_row(cells) for cells in (columns, rules, *rows)]


def _json_number(figure: float) -> float | None:
    """Return a figure with four significant digits; None for one that JSON has no number for."""
    return float(f"{figure:.4g}") if math.isfinite(figure) else None


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _format_number(figure: float) -> str:
    if not math.isfinite(figure):
        return NO_VALUE
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}"


def _format_figure(figure: float) -> str:
    return f"{figure:.2f}" if math.isfinite(figure) else NO_VALUE


def _format_share(figure: float) -> str:
    return f"{figure:.0%}" if math.isfinite(figure) else NO_VALUE


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
