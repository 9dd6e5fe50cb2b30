"""The measured figures: CPU of a call by row of the benchmark and by process, from `ic bench --json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

MONGOD: Final = "mongod"
ALL: Final = "all"
_MONGOD_PREFIX: Final = "mongo-"


class FiguresError(ValueError):
    """The figures lack something, or are no report of the benchmark; the message says what."""


@dataclass(frozen=True)
class MeasuredFigure:
    """The CPU of one call, in microseconds: in all, and by process where the benchmark counted it."""

    cpu_us: float
    by_process: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MeasuredFigures:
    """Figures by the name of their row; `origin` says in words when, where and at what load."""

    rows: Mapping[str, MeasuredFigure]
    origin: str

    @classmethod
    def from_bench_report(cls, content: Any, name: str) -> Self:
        """Return the figures of a report of `ic bench --json`; rows without CPU are left out.

        Raises:
            FiguresError: it is no such report, or has no row with CPU.
        """
        if not isinstance(content, dict) or not isinstance(content.get("rows"), list):
            raise FiguresError("it is no report of `ic bench --json FILE`: it has no list `rows`")
        rows = {}
        for row in content["rows"]:
            if not isinstance(row, dict) or not isinstance(row.get("name"), str):
                raise FiguresError("a row has no `name`")
            if (figure := _read_row(row)) is not None:
                rows[row["name"]] = figure
        if not rows:
            raise FiguresError("no row has `cpu_us`")
        return cls(rows, _describe(content, name))

    def with_fallback(self, other: "MeasuredFigures", label: str) -> "MeasuredFigures":
        """Return these figures, completed by those of `other`, which `label` names in the origin."""
        lacking = [name for name in other.rows if name not in self.rows]
        splits = [name for name in self.rows if self._lacks_split(name, other)]
        rows = {**other.rows, **self.rows}
        for name in splits:
            rows[name] = _split_like(self.rows[name], other.rows[name])
        notes = []
        if lacking:
            notes.append(f"{label}: {', '.join(lacking)}")
        if splits:
            notes.append(f"{label}, split by process only: {', '.join(splits)}")
        return MeasuredFigures(rows, "; ".join([self.origin, *notes]))

    def cpu_us(self, reference: str) -> float:
        """Return the CPU of a call, in microseconds; `row/process` names that of one process.

        Raises:
            FiguresError: there is no such row, or it was not split by process.
        """
        name, _, process = reference.partition("/")
        if name not in self.rows:
            raise FiguresError(f"no row '{name}' was measured; there are: {', '.join(sorted(self.rows))}")
        figure = self.rows[name]
        if not process:
            return figure.cpu_us
        if process not in figure.by_process:
            raise FiguresError(f"the row '{name}' has no CPU of the process '{process}'")
        return figure.by_process[process]

    def _lacks_split(self, name: str, other: "MeasuredFigures") -> bool:
        return not self.rows[name].by_process and name in other.rows and bool(other.rows[name].by_process)


def further_figures(table: Mapping[str, Mapping[str, float | str]]) -> dict[str, MeasuredFigure]:
    """Return the figures of the workload's own table; `all` is the CPU in all, else the processes' sum."""
    found = {}
    for name, row in table.items():
        split = {key: float(value) for key, value in row.items() if not isinstance(value, str)}
        total = split.pop(ALL, None)
        found[name] = MeasuredFigure(sum(split.values()) if total is None else total, split)
    return found


def _read_row(row: Mapping[str, Any]) -> MeasuredFigure | None:
    cpu_us = row.get("cpu_us")
    if cpu_us is None:
        return None
    if isinstance(cpu_us, bool) or not isinstance(cpu_us, int | float) or cpu_us <= 0:
        raise FiguresError(f"`cpu_us` of the row '{row['name']}' is {cpu_us!r}, and no positive number")
    shares: dict[str, float] = {}
    try:
        for share in row.get("cpu_shares") or ():
            name = MONGOD if str(share["name"]).startswith(_MONGOD_PREFIX) else str(share["name"])
            shares[name] = shares.get(name, 0.0) + float(share["cpu_s"])
    except (KeyError, TypeError, ValueError) as error:
        raise FiguresError(f"`cpu_shares` of the row '{row['name']}' cannot be read: {error!r}") from None
    total = sum(shares.values())
    split = {name: cpu_us * cpu_s / total for name, cpu_s in shares.items()} if total > 0 else {}
    return MeasuredFigure(float(cpu_us), split)


def _split_like(figure: MeasuredFigure, model: MeasuredFigure) -> MeasuredFigure:
    total = sum(model.by_process.values())
    return MeasuredFigure(
        figure.cpu_us, {name: figure.cpu_us * us / total for name, us in model.by_process.items()}
    )


def _describe(content: Mapping[str, Any], name: str) -> str:
    machine = content.get("machine")
    known: Mapping[str, Any] = machine if isinstance(machine, dict) else {}
    measured_at = content.get("measured_at")
    parts = [
        name,
        str(measured_at)[:10] if measured_at else "date unknown",
        f"{known.get('cores', '?')} cores, {known.get('cpu', 'CPU unknown')}",
        f"load average before {known.get('load', 'unknown')}",
    ]
    return ", ".join(parts)
