"""The alerts: one file, from which Prometheus, the table in the docs and the check of a live stack are made.

The check understands the part of PromQL that the file uses: a selector, `increase` and `changes` over a time,
`sum`, `min` and `max` with `by`, a difference of two of them, and a comparison with a number.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import yaml

from ops.paths import REPO

ALERT_RULES_FILE: Final = REPO / "ops" / "alerts.yaml"
ALERT_DOCS_PAGE: Final = REPO / "docs" / "operations.md"
TABLE_BEGIN, TABLE_END = "<!-- alerts: made from ops/alerts.yaml -->", "<!-- end of alerts -->"

LabelSet = frozenset[tuple[str, str]]
MetricSamples = Mapping[tuple[str, LabelSet], float]
"""Samples of one scrape: by name and labels, among them `process`."""
InstantVector = dict[LabelSet, float]

_COMPARATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_COMPARISON: Final = re.compile(r"(?P<value>.+) (?P<how>>|<|==) (?P<bound>[\d.]+)")
_DIFFERENCE: Final = re.compile(r"(?P<left>.+\)) - (?P<right>\w+\(.+)")
_AGGREGATE: Final = re.compile(r"(?P<how>sum|min|max)(?: by \((?P<by>[\w, ]+)\) )?\((?P<of>.+)\)")
_INCREASE: Final = re.compile(r"increase\((?P<of>.+)\[\w+\]\)")
_CHANGES: Final = re.compile(r"changes\((?P<of>.+)\[\w+\]\)")
_SELECTOR: Final = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})?")
_MATCHER: Final = re.compile(r'(?P<label>\w+)(?P<how>=~|!~|!=|=)"(?P<value>(?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class AlertRule:
    """One rule of the file."""

    name: str
    expression: str
    lasts: str
    severity: str
    summary: str
    runbook_url: str

    def metrics(self) -> set[str]:
        """Return the names of the metrics in the expression."""
        words = re.sub(r'\{[^}]*\}|"[^"]*"|\[\w+\]|by \([^)]*\)', "", self.expression)
        return set(re.findall(r"\b[a-z]+(?:_[a-z]+)*\b(?!\s*\()", words))

    @property
    def runbook_anchor(self) -> str:
        """The runbook's heading in the page of the docs, as links to it spell it."""
        return self.runbook_url.partition("#")[2]


def load_alert_rules() -> list[AlertRule]:
    """Return all rules of the file, in its order."""
    groups = yaml.safe_load(ALERT_RULES_FILE.read_text())["groups"]
    return [
        AlertRule(
            rule["alert"],
            rule["expr"],
            rule.get("for", "0s"),
            rule["labels"]["severity"],
            rule["annotations"]["summary"],
            rule["annotations"]["runbook_url"],
        )
        for group in groups
        for rule in group["rules"]
    ]


def evaluate_alert(alert: AlertRule, before: MetricSamples, now: MetricSamples) -> InstantVector:
    """Return the series for which the expression holds. `increase` is the difference of the scrapes."""
    match = _COMPARISON.fullmatch(alert.expression)
    if match is None:
        raise ValueError(f"{alert.name}: this check does not understand: {alert.expression}")
    compared, bound = _COMPARATORS[match["how"]], float(match["bound"])
    values = _evaluate_vector(match["value"], before, now)
    return {labels: value for labels, value in values.items() if compared(value, bound)}


def _evaluate_vector(expression: str, before: MetricSamples, now: MetricSamples) -> InstantVector:
    if match := _DIFFERENCE.fullmatch(expression):
        left, right = (
            _evaluate_vector(match["left"], before, now),
            _evaluate_vector(match["right"], before, now),
        )
        return {labels: left[labels] - right[labels] for labels in left.keys() & right.keys()}
    if match := _AGGREGATE.fullmatch(expression):
        by = re.findall(r"\w+", match["by"] or "")
        return _aggregate(match["how"], by, _evaluate_vector(match["of"], before, now))
    if match := _INCREASE.fullmatch(expression):
        earlier = _select_samples(match["of"], before)
        later = _select_samples(match["of"], now)
        return {labels: value - min(value, earlier.get(labels, 0.0)) for labels, value in later.items()}
    if match := _CHANGES.fullmatch(expression):
        earlier = _select_samples(match["of"], before)
        later = _select_samples(match["of"], now)
        return {labels: float(value != earlier.get(labels, value)) for labels, value in later.items()}
    return _select_samples(expression, now)


def _aggregate(how: str, by: Sequence[str], values: InstantVector) -> InstantVector:
    together: Mapping[str, Callable[[Iterable[float]], float]] = {"sum": sum, "min": min, "max": max}
    groups: dict[LabelSet, list[float]] = {}
    for labels, value in values.items():
        groups.setdefault(frozenset(each for each in labels if each[0] in by), []).append(value)
    return {labels: together[how](found) for labels, found in groups.items()}


def _select_samples(selector: str, samples: MetricSamples) -> InstantVector:
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


def render_alert_table() -> str:
    """Return the table of alerts for the docs."""
    rows = [_render_alert_row(alert) for alert in load_alert_rules()]
    return "\n".join(
        [TABLE_BEGIN, "", "| alert | when | what it means |", "|---|---|---|", *rows, "", TABLE_END]
    )


def insert_alert_table(page: str) -> str:
    """Return the page with the present table in it."""
    before, _, rest = page.partition(TABLE_BEGIN)
    _, _, after = rest.partition(TABLE_END)
    return f"{before}{render_alert_table()}{after}"


def _render_alert_row(alert: AlertRule) -> str:
    when = f"`{_escape_cell(alert.expression)}`{_render_duration(alert)}"
    return f"| [{alert.name}](#{alert.runbook_anchor}) ({alert.severity}) | {when} | {alert.summary} |"


def _escape_cell(expression: str) -> str:
    return expression.replace("|", "\\|")


def _render_duration(alert: AlertRule) -> str:
    return "" if alert.lasts == "0s" else f" for {alert.lasts}"


if __name__ == "__main__":
    ALERT_DOCS_PAGE.write_text(insert_alert_table(ALERT_DOCS_PAGE.read_text()))
