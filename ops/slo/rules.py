"""The recording rules and alerts of the objectives, in Prometheus' words.

Per indicator, all and bad events a second are recorded over five minutes. Everything longer is an average of
these, which weighs each moment by its traffic, so one rule serves all objectives.
"""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from ops.slo.objectives import WINDOWS_S, BurnAlert, Indicator, LowTraffic, ObjectiveTable, list_indicators

RUNBOOK_URL: Final = "docs/operations.md#an-error-budget-burns"
LOW_TRAFFIC_ALERT: Final = "CallsFailAtLowTraffic"
ABSENCE_ALERT: Final = "ObjectiveIsNotMeasured"
NO_REQUESTS_ALERT: Final = "RequestsStoppedComing"
_HEADER: Final = "# Made from ops/slo/objectives.yaml: python -m ops.slo\n"
_LONG_FROM_S: Final = 86_400
_LOW_TRAFFIC_WINDOW: Final = "6h"
_MIN_EARLIER_REQUESTS: Final = 1_000
_PLACE: Final = "{{ $labels.objective }} of {{ $labels.service }} {{ $labels.class }}"
_TIMES: Final = '{{ $value | printf "%.1f" }}'

_Rule = dict[str, Any]


def render_rules(table: ObjectiveTable) -> str:
    """Return the rules file."""
    document = {
        "groups": [
            {"name": "slo-indicators", "interval": "30s", "rules": list(_indicator_rules(table))},
            {"name": "slo-burn-rates", "interval": "30s", "rules": list(_short_window_rules())},
            {"name": "slo-long-burn-rates", "interval": "2m", "rules": list(_long_window_rules(table))},
            {"name": "slo-alerts", "interval": "30s", "rules": list(_alerts(table))},
        ]
    }
    return _HEADER + yaml.safe_dump(document, sort_keys=False, width=100)


def _indicator_rules(table: ObjectiveTable) -> Iterator[_Rule]:
    for indicator in list_indicators(table):
        yield from _rules_of(indicator)


def _rules_of(indicator: Indicator) -> Iterator[_Rule]:
    values = {
        "slo:total:rate5m": indicator.total,
        # Without bad events there is no series of them, and without one no ratio.
        "slo:bad:rate5m": f"({indicator.bad}) or ({indicator.total}) * 0",
        "slo:budget:ratio": f"vector({indicator.objective.budget:g})",
        "slo:min_events:count": f"vector({indicator.objective.min_events})",
        "slo:min_bad:count": f"vector({indicator.objective.min_bad})",
    }
    for record, expression in values.items():
        yield {"record": record, "expr": expression, "labels": dict(indicator.labels)}


def _short_window_rules() -> Iterator[_Rule]:
    yield _burn_rate("5m")
    for window, seconds in WINDOWS_S.items():
        if 300 < seconds < _LONG_FROM_S:
            yield from _averages(window, f"[{window}]", "5m")


def _long_window_rules(table: ObjectiveTable) -> Iterator[_Rule]:
    """Yield the rules whose windows hold too many samples to read all of them each time."""
    yield from _averages("1d", "[1d:5m]", "5m")
    yield from _averages("3d", "[3d:10m]", "30m")
    yield from _averages(table.window, f"[{table.window}:10m]", "30m")


def _averages(window: str, selector: str, source: str) -> Iterator[_Rule]:
    for kind in ("total", "bad"):
        expression = f"avg_over_time(slo:{kind}:rate{source}{selector})"
        yield {"record": f"slo:{kind}:rate{window}", "expr": expression}
    yield _burn_rate(window)


def _burn_rate(window: str) -> _Rule:
    expression = f"slo:bad:rate{window} / slo:total:rate{window} / slo:budget:ratio"
    return {"record": f"slo:burn_rate:{window}", "expr": expression}


def _alerts(table: ObjectiveTable) -> Iterator[_Rule]:
    for alert in table.burn_alerts:
        yield _burn_alert(alert)
    yield _low_traffic_alert(table.low_traffic)
    absence = "slo:budget:ratio unless slo:total:rate5m"
    yield _alert(ABSENCE_ALERT, absence, "15m", "ticket", f"nothing is known of the {_PLACE}")
    total = 'slo:total:rate{}{{objective="edge"}}'
    stopped = (
        f"{total.format('5m')} == 0 and {total.format('1h')} * {WINDOWS_S['1h']} > {_MIN_EARLIER_REQUESTS}"
    )
    summary = "no request arrives at the gateway, though many did within the hour"
    yield _alert(NO_REQUESTS_ALERT, stopped, "2m", "page", summary)


def burn_condition(alert: BurnAlert) -> str:
    """Return the expression of an alert for a burning budget."""
    seconds = WINDOWS_S[alert.long]
    return (
        f"slo:burn_rate:{alert.long} > {alert.times:g} and slo:burn_rate:{alert.short} > {alert.times:g} "
        f"and slo:total:rate{alert.long} * {seconds} >= slo:min_events:count "
        f"and slo:bad:rate{alert.long} * {seconds} >= slo:min_bad:count"
    )


def _burn_alert(alert: BurnAlert) -> _Rule:
    summary = f"the error budget of the {_PLACE} burns {_TIMES} times as fast as it may"
    return _alert(alert.name, burn_condition(alert), "", alert.severity, summary)


def _low_traffic_alert(low: LowTraffic) -> _Rule:
    window, seconds = _LOW_TRAFFIC_WINDOW, WINDOWS_S[_LOW_TRAFFIC_WINDOW]
    condition = (
        f"slo:total:rate{window} * {seconds} < slo:min_events:count "
        f"and slo:bad:rate{window} / slo:total:rate{window} > {low.share:g} "
        f"and slo:bad:rate{window} * {seconds} >= {low.min_bad}"
    )
    summary = f"few events of the {_PLACE}, too few for its budget, but many of them are bad"
    return _alert(LOW_TRAFFIC_ALERT, condition, "", "ticket", summary)


def _alert(name: str, condition: str, lasts: str, severity: str, summary: str) -> _Rule:
    return {
        "alert": name,
        "expr": condition,
        **({"for": lasts} if lasts else {}),
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "runbook_url": RUNBOOK_URL},
    }
