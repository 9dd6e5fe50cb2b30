"""The objectives: the table is sound, and its alerts fire when, and only when, they should."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.utils import floatToGoString

from chassis.contracts import imported_contracts
from chassis.observability import metrics
from chassis.observability.call_metrics import CALL_BUCKETS_S
from ops.alerts import ALERT_DOCS_PAGE
from ops.errors import OpsError
from ops.slo.call_classes import calls_by_class, classify_call
from ops.slo.docs_tables import insert_objective_tables
from ops.slo.files import OBJECTIVES_FILE, SLO_RULES_FILE
from ops.slo.objectives import (
    WINDOWS_S,
    Indicator,
    list_indicators,
    load_objectives,
)
from ops.slo.rules import ABSENCE_ALERT, LOW_TRAFFIC_ALERT, NO_REQUESTS_ALERT, render_rules
from services.notification.metrics import mail_delay_seconds
from tests.unit.ops.promtool import needs_prometheus_tools, require_alerts, rule_of

TABLE = load_objectives()
BURN_ALERTS = {alert.name: alert for alert in TABLE.burn_alerts}
BUCKETS = {
    "grpc_server_handling_seconds_bucket": CALL_BUCKETS_S,
    "events_age_seconds_bucket": metrics.events_age_seconds._upper_bounds,
    "notification_mail_delay_seconds_bucket": mail_delay_seconds._upper_bounds,
}
USER = "internshipconnect.user.v1.UserService"
READS = {"objective": "availability", "service": "user", "class": "read"}
EDGE = {"objective": "edge", "service": "gateway"}


def test_the_rules_are_those_of_the_table() -> None:
    assert SLO_RULES_FILE.read_text() == render_rules(TABLE), "run: python -m ops.slo"


def test_the_docs_show_the_objectives_as_they_are() -> None:
    page = ALERT_DOCS_PAGE.read_text()
    assert page == insert_objective_tables(page, TABLE), "run: python -m ops.slo"


def test_every_call_but_streams_is_in_one_class() -> None:
    listed = [(rpc.service, rpc.name) for rpcs in calls_by_class().values() for rpc in rpcs]
    calls = [(rpc.service, rpc.name) for rpc in imported_contracts().rpcs if not rpc.server_streaming]
    assert sorted(listed) == sorted(calls)
    classes = {classify_call(rpc) for rpc in imported_contracts().rpcs}
    assert classes == {"read", "write", "search", "sign-in", "internal"}


def test_no_two_calls_of_a_service_have_the_same_name() -> None:
    calls = [(rpc.service.split(".")[1], rpc.name) for rpc in imported_contracts().rpcs]
    assert len(calls) == len(set(calls))


def test_no_two_indicators_have_the_same_labels() -> None:
    labels = [frozenset(each.labels.items()) for each in list_indicators(TABLE)]
    assert len(labels) == len(set(labels)) > 30


@pytest.mark.parametrize("indicator", list_indicators(TABLE), ids=lambda each: "-".join(each.labels.values()))
def test_a_threshold_is_a_bucket_that_there_is(indicator: Indicator) -> None:
    for name, bound in re.findall(r'(\w+_bucket)\{[^}]*le="([^"]+)"', indicator.bad):
        assert bound in map(floatToGoString, BUCKETS[name])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("target: 0.9999", "target: 1.5", r"objectives\.0\.target: .*less than 1"),
        ("\n    each: calls", "\n    each: moon", r"objectives\.0\.each"),
        ("name: latency", "name: availability", "a name stands twice"),
        ("long: 1h, short: 5m", "long: 1h, short: 6h", "has to be shorter"),
        ("long: 1h", "long: 7h", r"burn_alerts\.0\.long"),
        ("services: [notification]", "services: [mail]", "there is no service mail; there are: auth"),
        ("window_days", "window", r"window: Extra inputs"),
        ("objectives:", "objectives: [", "cannot be read"),
    ],
)
def test_a_wrong_table_is_refused_with_the_place(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "objectives.yaml"
    path.write_text(OBJECTIVES_FILE.read_text().replace(old, new, 1))
    with pytest.raises(OpsError, match=complaint):
        load_objectives(path)


def test_an_expression_with_an_unknown_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "objectives.yaml"
    path.write_text(OBJECTIVES_FILE.read_text().replace("{$calls}", "{$job}", 1))
    with pytest.raises(OpsError, match=r"objective 'availability'.*no 'job'; there are: \$calls, \$faults"):
        list_indicators(load_objectives(path))


def step_minutes(minutes: int) -> int:
    """Return the time between two samples: days of them are long to replay."""
    return 1 if minutes <= 360 else 4


def calls(minutes: int, *, each_minute: float, failed: float) -> dict[str, str]:
    """Return counters of a read for so long, of which the share `failed` fails."""
    selector = f'grpc_service="{USER}", grpc_method="GetMe", process="user-serve"'

    step = step_minutes(minutes)

    def rising(each_minute: float) -> str:
        return f"0+{each_minute * step:g}x{minutes // step}"

    return {
        f'grpc_server_handled_total{{{selector}, grpc_code="OK"}}': rising(each_minute * (1 - failed)),
        f'grpc_server_handled_total{{{selector}, grpc_code="UNAVAILABLE"}}': rising(each_minute * failed),
    }


def rules_of_one(labels: dict[str, str], folder: Path) -> Path:
    """Write the rules with the indicator of these labels only, and without the budget's window.

    With all of it days take long to replay; no alert asks for the window.
    """
    document = yaml.safe_load(SLO_RULES_FILE.read_text())
    indicators = document["groups"][0]
    kept = [rule for rule in indicators["rules"] if rule["labels"] == labels]
    assert kept
    indicators["rules"] = kept
    for group in document["groups"]:
        group["rules"] = [rule for rule in group["rules"] if TABLE.window not in rule.get("record", "")]
    assert TABLE.window not in str(document)
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def require_on_objectives(
    folder: Path,
    alert: str,
    series: dict[str, str],
    *,
    minutes: int,
    expected: list[dict[str, object]],
    rules: Path | None = None,
) -> None:
    rule = rule_of(SLO_RULES_FILE, alert)
    found = []
    for each in expected:
        annotations = dict(rule["annotations"])
        values = {**READS, **{name: str(value) for name, value in each.items()}}
        for label in ("objective", "service", "class"):
            annotations["summary"] = annotations["summary"].replace(
                f"{{{{ $labels.{label} }}}}", values[label]
            )
        shown = str(each.get("value", ""))
        annotations["summary"] = annotations["summary"].replace('{{ $value | printf "%.1f" }}', shown)
        labels = {name: values[name] for name in READS if values[name]} | rule["labels"]
        found.append({"exp_labels": labels, "exp_annotations": annotations})
    require_alerts(
        rules or rules_of_one(READS, folder),
        folder,
        series=series,
        alert=alert,
        at=f"{minutes}m",
        expected=found,
        interval=f"{step_minutes(minutes)}m",
        evaluation_interval=f"{step_minutes(minutes)}m",
    )


def minutes_of(name: str) -> int:
    return WINDOWS_S[BURN_ALERTS[name].long] // 60


@needs_prometheus_tools
@pytest.mark.parametrize("name", BURN_ALERTS)
def test_a_budget_that_burns_too_fast_raises_its_alert(name: str, tmp_path: Path) -> None:
    times, minutes = BURN_ALERTS[name].times * 1.2, minutes_of(name)
    series = calls(minutes, each_minute=100_000, failed=times * 0.0001)
    expected: list[dict[str, object]] = [{"value": f"{times:.1f}"}]
    require_on_objectives(tmp_path, name, series, minutes=minutes, expected=expected)


@needs_prometheus_tools
@pytest.mark.parametrize("name", BURN_ALERTS)
def test_a_budget_that_burns_a_little_slower_raises_none(name: str, tmp_path: Path) -> None:
    minutes = minutes_of(name)
    series = calls(minutes, each_minute=100_000, failed=BURN_ALERTS[name].times * 0.9 * 0.0001)
    require_on_objectives(tmp_path, name, series, minutes=minutes, expected=[])


@needs_prometheus_tools
@pytest.mark.parametrize("name", ["BudgetLastsTwoDays", "BudgetLastsFiveDays"])
def test_a_burn_that_is_over_raises_none(name: str, tmp_path: Path) -> None:
    minutes = minutes_of(name)
    series = calls(minutes, each_minute=100_000, failed=BURN_ALERTS[name].times * 4 * 0.0001)
    failing = next(each for each in series if "UNAVAILABLE" in each)
    # Nothing fails any more for longer than the short window.
    quiet = 40
    step = series[failing].partition("x")[0]
    series[failing] = f"{step}x{minutes - quiet} {float(step[2:]) * (minutes - quiet):g}x{quiet}"
    require_on_objectives(tmp_path, name, series, minutes=minutes, expected=[])


@needs_prometheus_tools
@pytest.mark.parametrize("name", BURN_ALERTS)
def test_few_failures_in_little_traffic_raise_no_alert_for_the_budget(name: str, tmp_path: Path) -> None:
    minutes = minutes_of(name)
    series = calls(minutes, each_minute=900 / minutes, failed=0.5)
    require_on_objectives(tmp_path, name, series, minutes=minutes, expected=[])
    assert BURN_ALERTS[name].times * 0.0001 < 0.5


@needs_prometheus_tools
@pytest.mark.parametrize(("failed", "fires"), [(0.5, True), (0.1, False)])
def test_much_that_fails_in_little_traffic_is_a_ticket(failed: float, fires: bool, tmp_path: Path) -> None:
    series = calls(360, each_minute=2, failed=failed)
    expected: list[dict[str, object]] = [{}] if fires else []
    require_on_objectives(tmp_path, LOW_TRAFFIC_ALERT, series, minutes=360, expected=expected)


@needs_prometheus_tools
def test_an_objective_of_which_nothing_is_known_is_a_ticket(tmp_path: Path) -> None:
    known = calls(30, each_minute=5, failed=0)
    labels = [each.labels for each in list_indicators(TABLE)]
    missing: list[dict[str, object]] = [{"class": "", **each} for each in labels if each != READS]
    require_on_objectives(tmp_path, ABSENCE_ALERT, known, minutes=30, expected=missing, rules=SLO_RULES_FILE)


def requests(values: str) -> dict[str, str]:
    return {'envoy_http_downstream_rq_completed{envoy_http_conn_manager_prefix="gateway"}': values}


@needs_prometheus_tools
def test_requests_that_stop_coming_page(tmp_path: Path) -> None:
    edge: list[dict[str, object]] = [{**EDGE, "class": ""}]
    stopped = requests("0+100x50 5000x10")
    require_on_objectives(
        tmp_path, NO_REQUESTS_ALERT, stopped, minutes=60, expected=edge, rules=rules_of_one(EDGE, tmp_path)
    )


@needs_prometheus_tools
@pytest.mark.parametrize("values", ["0+100x60", "0+1x50 50x10"], ids=["they come", "they were few"])
def test_requests_that_come_or_were_few_page_nobody(values: str, tmp_path: Path) -> None:
    require_on_objectives(
        tmp_path,
        NO_REQUESTS_ALERT,
        requests(values),
        minutes=60,
        expected=[],
        rules=rules_of_one(EDGE, tmp_path),
    )
