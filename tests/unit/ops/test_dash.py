"""`ic dash`: its figures are those of Prometheus; its tables mark faults; names are shown as text."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ops.cli import app
from ops.commands.dash import render_overview
from ops.overview import ComponentFigures, Overview, QueueFigures, read_overview

HOSTILE = "[red]\x1b[2J"
NOTHING = Overview({}, None, None, (), (), (), ())


def _answers(query: str) -> list[dict[str, Any]]:
    """Return the samples of a query by what it asks for."""
    known: dict[str, list[tuple[dict[str, str], str]]] = {
        "count by (job) (up == 1)": [({"job": "auth-serve"}, "2"), ({"job": "auth-work"}, "1")],
        "count by (job) (up == 0)": [({"job": "auth-serve"}, "1")],
        "sum by (job) (grpc_server_in_flight)": [({"job": "auth-serve"}, "4")],
        "max by (queue) (queue_messages)": [({"queue": "email-notifications"}, "7")],
        "1 - slo:burn_rate:30d": [
            ({"objective": "availability", "service": "auth", "class": "read"}, "0.5"),
            ({"objective": "mails", "service": "notification"}, "NaN"),
            ({"objective": "edge", "service": "gateway"}, "-0.1"),
        ],
        'ALERTS{alertstate="firing"}': [
            ({"alertname": "OutboxLags", "severity": "page", "shard": "s1"}, "1"),
            ({"alertname": "OutboxLags", "severity": "page", "shard": "s2"}, "1"),
        ],
    }
    return [{"metric": labels, "value": [0, value]} for labels, value in known.get(query, [])]


@pytest.fixture(scope="module")
def prometheus() -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)["query"][0]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"data": {"result": _answers(query)}}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Keep silent."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _rendered(found: Overview) -> str:
    console = Console(width=160, highlight=False)
    with console.capture() as captured:
        console.print(render_overview("http://localhost:9090", found))
    return captured.get()


def test_the_figures_are_those_of_prometheus(prometheus: str) -> None:
    found = read_overview(prometheus)
    assert [(each.name, each.processes, each.down, each.in_flight) for each in found.components] == [
        ("auth-serve", 2, 1, 4),
        ("auth-work", 1, 0, None),
    ]
    assert [(each.name, each.waiting, each.handled) for each in found.queues] == [
        ("email-notifications", 7, None)
    ]
    assert found.budgets == (("edge gateway", -0.1), ("availability auth read", 0.5))
    assert found.alerts == (("OutboxLags", "page"),)


def test_a_pipe_gets_the_tables_once_and_scripts_get_json(prometheus: str) -> None:
    shown = CliRunner().invoke(app, ["dash", "--prometheus", prometheus])
    assert shown.exit_code == 0, shown.output
    assert "2 of 3" in shown.output
    assert "OutboxLags (page)" in shown.output
    scripted = CliRunner().invoke(app, ["dash", "--prometheus", prometheus, "--json"])
    assert json.loads(scripted.output)["queues"][0]["waiting"] == 7


def test_a_system_of_which_nothing_is_known_is_shown_as_that() -> None:
    shown = _rendered(NOTHING)
    assert "no request" in shown
    assert "no alert fires" in shown
    assert "not known yet" in shown


def test_durations_and_shares_have_units() -> None:
    component = ComponentFigures("user-serve", 1, 0, 1234.56, 0.0123, 0.0042, 1.5, 3, 95_000_000)
    queue = QueueFigures("q", 12_345, 10, 0.5, 75)
    shown = _rendered(
        Overview({"2xx": 10.0, "5xx": 0.25}, 0.033, 12, (component,), (queue,), (("edge", 0.25),), ())
    )
    for text in (
        "1,234.6",
        "1.23%",
        "4 ms",
        "1.5 s",
        "95",
        "12,345",
        "75.0 s",
        "10.0 2xx",
        "0.2 5xx",
        "25.0%",
    ):
        assert text in shown, text


def test_names_are_shown_as_text() -> None:
    component = ComponentFigures(HOSTILE, 1, 0, None, None, None, None, None, None)
    shown = _rendered(Overview({}, None, None, (component,), (), ((HOSTILE, 0.1),), ((HOSTILE, HOSTILE),)))
    assert shown.count("[red]") == 4
    assert "\x1b[2J" not in shown


@pytest.mark.parametrize("arguments", [["--prometheus", "localhost"], ["--every", "0"]])
def test_a_wrong_option_is_named(arguments: list[str]) -> None:
    refused = CliRunner().invoke(app, ["dash", *arguments])
    assert refused.exit_code != 0
    assert arguments[0] in f"{refused.output} {refused.exception}"
