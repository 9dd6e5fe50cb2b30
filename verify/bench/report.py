"""The report of a run: the machine, the stack's size, and the table, on the screen and as Markdown."""

import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
from rich.markup import escape
from rich.table import Table

from ops.console import console
from verify.bench.samples import BenchmarkResult, LoadSample, ratio

COLUMNS = (
    "what",
    "req/s",
    "req/CPU-s",
    "p50 ms",
    "p99 ms",
    "req/s of baseline",
    "req/CPU-s of baseline",
    "failed",
    "CPU counted",
)
TEXT_COLUMNS = ("what", "CPU counted")
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
        table = Table(box=None, pad_edge=False)
        for column in COLUMNS:
            table.add_column(column, justify="left" if column in TEXT_COLUMNS else "right")
        for cells in self.rows():
            table.add_row(*cells)
        console.print(table)
        for line in (*self.notes(), *self.failures()):
            console.print(escape(line), soft_wrap=True)

    def markdown(self) -> str:
        """Return the report as Markdown."""
        rules = [":--" if column in TEXT_COLUMNS else "--:" for column in COLUMNS]
        lines = [_markdown_row(cells) for cells in (COLUMNS, rules, *self.rows())]
        notes = [f"- {line}" for line in (*self.notes(), *self.failures())]
        return "\n".join([*lines, "", *notes, ""])

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
                _format_number(sample.latency_ms(0.50)),
                _format_number(sample.latency_ms(0.99)),
                _format_share(ratio(sample.per_s, beside.per_s)) if beside else NO_VALUE,
                _format_share(ratio(sample.per_cpu_s, beside.per_cpu_s)) if beside else NO_VALUE,
                str(sample.failed),
                result.cpu_of,
            )

    def notes(self) -> Iterator[str]:
        """Yield the notes that explain the table."""
        yield str(self.machine)
        yield f"load average before: {self.machine.load:.1f}; the load generator runs on the same cores"
        yield "the stack holds " + ", ".join(f"{count:,} {what}" for what, count in self.stack_holds.items())
        yield f"{self.seconds:g} s a row, after a warm-up"
        for result in self.results:
            if result.sample.window_s < self.seconds * 0.95:
                yield f"{result.title}: the prepared calls lasted {result.sample.window_s:.1f} s only"

    def failures(self) -> Iterator[str]:
        """Yield the reasons of failed calls, warm-up included; none when none failed."""
        for result in self.results:
            for reason, times in _by_frequency(result.sample):
                yield f"{result.title}: {times} failed with {reason}"


def save_markdown_report(report: BenchmarkReport, path: Path) -> None:
    """Write the report as Markdown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.markdown())


def _by_frequency(sample: LoadSample) -> Iterable[tuple[str, int]]:
    return sorted(sample.failures.items(), key=lambda pair: -pair[1])


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _format_number(figure: float) -> str:
    if not math.isfinite(figure):
        return NO_VALUE
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}"


def _format_share(figure: float) -> str:
    return f"{figure:.0%}" if math.isfinite(figure) else NO_VALUE


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
