"""The alerts: one file, from which Prometheus, the table in the docs and the check of a live stack come.

The check understands as much of PromQL as the file uses: a selector, `increase` over a time, `sum`, `min` and
`max` with `by`, a difference of two of them, and a comparison with a number.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import yaml

from ops.paths import REPO

RULES: Final = REPO / "ops" / "alerts.yaml"
DOCS: Final = REPO / "docs" / "operations.md"
BEGIN, END = "<!-- alerts: made from ops/alerts.yaml -->", "<!-- end of alerts -->"

Labels = frozenset[tuple[str, str]]
Samples = Mapping[tuple[str, Labels], float]
"""What was scraped: by name and labels, among them `process`."""
Vector = dict[Labels, float]

_COMPARED: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_COMPARISON: Final = re.compile(r"(?P<value>.+) (?P<how>>|<|==) (?P<bound>[\d.]+)")
_DIFFERENCE: Final = re.compile(r"(?P<left>.+\)) - (?P<right>\w+\(.+)")
_AGGREGATE: Final = re.compile(r"(?P<how>sum|min|max)(?: by \((?P<by>[\w, ]+)\) )?\((?P<of>.+)\)")
_INCREASE: Final = re.compile(r"increase\((?P<of>.+)\[\w+\]\)")
_SELECTOR: Final = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})?")
_MATCHER: Final = re.compile(r'(?P<label>\w+)(?P<how>=~|!~|!=|=)"(?P<value>(?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Alert:
    """One rule of the file."""

    name: str
    expression: str
    lasts: str
    severity: str
    summary: str

    def metrics(self) -> set[str]:
        """The names of metrics that it looks at."""
        words = re.sub(r'\{[^}]*\}|"[^"]*"|by \([^)]*\)', "", self.expression)
        return set(re.findall(r"[a-z]+(?:_[a-z]+)+", words))


def alerts() -> list[Alert]:
    """All of the file, in its order."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [
        Alert(
            rule["alert"],
            rule["expr"],
            rule.get("for", "0s"),
            rule["labels"]["severity"],
            rule["annotations"]["summary"],
        )
        for group in groups
        for rule in group["rules"]
    ]


def firing(alert: Alert, before: Samples, now: Samples) -> Vector:
    """What the expression holds for, by labels. `increase` is what came between the two scrapes."""
    match = _COMPARISON.fullmatch(alert.expression)
    if match is None:
        raise ValueError(f"{alert.name}: this check does not understand: {alert.expression}")
    compared, bound = _COMPARED[match["how"]], float(match["bound"])
    values = _vector(match["value"], before, now)
    return {labels: value for labels, value in values.items() if compared(value, bound)}


def _vector(expression: str, before: Samples, now: Samples) -> Vector:
    if match := _DIFFERENCE.fullmatch(expression):
        left, right = _vector(match["left"], before, now), _vector(match["right"], before, now)
        return {labels: left[labels] - right[labels] for labels in left.keys() & right.keys()}
    if match := _AGGREGATE.fullmatch(expression):
        by = re.findall(r"\w+", match["by"] or "")
        return _aggregated(match["how"], by, _vector(match["of"], before, now))
    if match := _INCREASE.fullmatch(expression):
        earlier = _selected(match["of"], before)
        later = _selected(match["of"], now)
        return {labels: value - min(value, earlier.get(labels, 0.0)) for labels, value in later.items()}
    return _selected(expression, now)


def _aggregated(how: str, by: Sequence[str], values: Vector) -> Vector:
    together: Mapping[str, Callable[[Iterable[float]], float]] = {"sum": sum, "min": min, "max": max}
    groups: dict[Labels, list[float]] = {}
    for labels, value in values.items():
        groups.setdefault(frozenset(each for each in labels if each[0] in by), []).append(value)
    return {labels: together[how](found) for labels, found in groups.items()}


def _selected(selector: str, samples: Samples) -> Vector:
    match = _SELECTOR.fullmatch(selector)
    if match is None:
        raise ValueError(f"this check does not understand: {selector}")
    matchers = [
        (each["label"], each["how"], each["value"]) for each in _MATCHER.finditer(match["labels"] or "")
    ]
    return {
        labels: value
        for (name, labels), value in samples.items()
        if name == match["name"] and all(_matches(dict(labels), *matcher) for matcher in matchers)
    }


def _matches(labels: Mapping[str, str], label: str, how: str, value: str) -> bool:
    found = labels.get(label, "")
    pattern = value.replace("\\\\", "\\")
    same = found == pattern if how in {"=", "!="} else re.fullmatch(pattern, found) is not None
    return same != how.startswith("!")


def table() -> str:
    """The alerts as the docs show them."""
    rows = [_row(alert) for alert in alerts()]
    return "\n".join([BEGIN, "", "| alert | when | what it means |", "|---|---|---|", *rows, "", END])


def documented(page: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{table()}{after}"


def _row(alert: Alert) -> str:
    when = f"`{_in_a_cell(alert.expression)}`{_lasting(alert)}"
    return f"| {alert.name} ({alert.severity}) | {when} | {alert.summary} |"


def _in_a_cell(expression: str) -> str:
    return expression.replace("|", "\\|")


def _lasting(alert: Alert) -> str:
    return "" if alert.lasts == "0s" else f" for {alert.lasts}"


if __name__ == "__main__":
    DOCS.write_text(documented(DOCS.read_text()))
