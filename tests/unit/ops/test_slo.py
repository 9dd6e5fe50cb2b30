"""`ic slo` without a Prometheus names the fault; its table is tested on a live stack."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.errors import OpsError
from ops.slo.budgets import read_budgets


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """Answer every request alike; return the address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Keep silent."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_prometheus_that_does_not_answer_is_named_with_what_to_do() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(OpsError, match=rf"no Prometheus answers at http://127.0.0.1:{port}.*--observe"):
        read_budgets(f"http://127.0.0.1:{port}", "30d")


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (200, "<html>", "is no Prometheus"),
        (200, '{"data": 7}', "is no Prometheus"),
        (200, '{"data": {"result": []}}', "has to load ops/slo/rules.yaml"),
        (503, "", "refuses: HTTP 503"),
    ],
)
def test_another_answer_is_an_operators_error(status: int, body: str, complaint: str) -> None:
    with answering(status, body) as url, pytest.raises(OpsError, match=complaint):
        read_budgets(url, "30d")


@pytest.mark.parametrize("url", ["localhost:9090", "ftp://x", "http://", "http://a b"])
def test_what_is_no_url_is_refused(url: str) -> None:
    done = CliRunner().invoke(app, ["slo", "--prometheus", url])
    assert isinstance(done.exception, OpsError)
    assert re.search("--prometheus takes a URL such as", str(done.exception))
