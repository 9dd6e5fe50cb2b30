"""The form of a log line, for every logger."""

import io
import logging as standard_logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog

from chassis.observability import logging
from chassis.observability.redaction import REDACTED
from chassis.observability.tracing import continue_trace

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class StdoutLines:
    """What went to stdout, parsed."""

    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    def all(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self._stream.getvalue().splitlines()]

    def last(self) -> dict[str, Any]:
        return self.all()[-1]


@pytest.fixture
def lines() -> Iterator[StdoutLines]:
    root = standard_logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.BytesIO()
    logging.configure_logging("auth", "serve", level="INFO", stream=stream)
    yield StdoutLines(stream)
    logging.configure_logging("", "")
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_one_json_object_that_names_time_level_event_service_and_role(lines: StdoutLines) -> None:
    logging.get_logger().info("started", port=5001)
    line = lines.last()
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "event": "started", "service": "auth", "role": "serve", "port": 5001}


def test_a_line_break_in_a_value_does_not_break_the_line(lines: StdoutLines) -> None:
    logging.get_logger().info("note", text="one\ntwo")
    assert len(lines.all()) == 1


def test_a_line_inside_a_trace_carries_its_trace_id(lines: StdoutLines) -> None:
    with continue_trace(TRACEPARENT, "call"):
        logging.get_logger().info("inside")
    assert lines.last()["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    "key",
    ["password", "new_password", "refreshToken", "Authorization", "client_secret", "set-cookie", "email"],
)
def test_the_value_of_a_secret_never_appears(lines: StdoutLines, key: str) -> None:
    logging.get_logger().info("note", **{key: "hunter2"}, nested={"list": [{key: "hunter2"}]})
    line = lines.last()
    assert line[key] == REDACTED
    assert line["nested"]["list"] == [{key: REDACTED}]


def test_a_secret_in_an_exceptions_text_and_in_the_event_itself_is_replaced(lines: StdoutLines) -> None:
    try:
        raise ValueError('{"password": "hunter2"}')
    except ValueError:
        logging.get_logger().exception("login with Bearer hunter2 failed")
    line = lines.last()
    assert "ValueError" in line["exception"]
    assert "hunter2" not in str(line)
    standard_logging.getLogger("kombu").warning("no login at amqp://user:hunter2@broker")
    assert "hunter2" not in str(lines.last())


def test_what_libraries_log_has_the_same_shape(lines: StdoutLines) -> None:
    standard_logging.getLogger("kombu").warning("lost %s", "a connection")
    line = lines.last()
    assert line["event"] == "lost a connection"
    assert line["logger"] == "kombu"
    assert line["level"] == "warning"
    assert line["service"] == "auth"


def test_the_chatter_of_libraries_is_left_out(lines: StdoutLines) -> None:
    standard_logging.getLogger("pymongo.connection").info("pool created")
    assert not lines.all()


def test_lines_below_the_level_are_left_out(lines: StdoutLines) -> None:
    logging.get_logger().debug("detail")
    assert not lines.all()


def test_an_exception_is_logged_with_its_traceback(lines: StdoutLines) -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.get_logger().exception("failed")
    assert "RuntimeError: broken" in lines.last()["exception"]


def test_a_value_that_json_does_not_know_is_written_as_text(lines: StdoutLines) -> None:
    logging.get_logger().info("note", value={1})
    assert lines.last()["value"] == "{1}"


def test_the_access_line_names_call_code_duration_caller_and_request(lines: StdoutLines) -> None:
    logging.log_access(rpc="a.B.C", code="OK", duration_ms=1.23456, caller="usr_1", request_id="r1")
    line = lines.last()
    assert line["event"] == "rpc"
    assert (line["rpc"], line["code"], line["duration_ms"]) == ("a.B.C", "OK", 1.23)
    assert (line["caller"], line["request_id"], line["service"]) == ("usr_1", "r1", "auth")
