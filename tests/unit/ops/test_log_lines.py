"""Lines of every process that logs are read as one kind of line, in the order of time."""

import json

import pytest

from ops import log_lines
from ops.log_lines import LogLine, merge_log_lines, parse_log_lines


def ours(second: int, event: str, level: str = "info", **fields: object) -> str:
    return json.dumps(
        {"time": f"2026-11-28T19:19:{second:02}.500Z", "level": level, "event": event, **fields}
    )


def only(process: str, raw: str) -> LogLine:
    [line] = parse_log_lines(process, [raw])
    return line


@pytest.mark.parametrize(
    ("raw", "level", "text"),
    [
        (ours(1, "slot map taken", shard="s1"), "info", "slot map taken"),
        ('{"time":"2026-11-28T19:19:01Z","event":"http_request","status":200}', "info", "http_request"),
        (
            '{"t":{"$date":"2026-11-28T19:18:41.022+00:00"},"s":"W","c":"NETWORK","msg":"Slow","attr":{"ms":1}}',
            "warning",
            "Slow",
        ),
        ('{"t":{"$date":"2026-11-28T19:18:41.010Z"},"s":"I","c":"CONTROL","msg":"Begun"}', "debug", "Begun"),
        ("[2026-11-28 19:19:53.093][23829][warning][misc] [a.cc:39] message", "warning", "[a.cc:39] message"),
        ("2026-11-28 19:18:47.872712+00:00 [error] <0.223.0> broken", "error", "<0.223.0> broken"),
        ("23283:M 28 Nov 2026 19:18:40.960 # Server initialized", "warning", "Server initialized"),
        ("2026-11-28 19:18:40,643 CRIT Supervisor is running", "critical", "Supervisor is running"),
        ("E1128 19:19:40.646946   24801 xds.cc:952] broken", "error", "xds.cc:952] broken"),
    ],
)
def test_every_writers_lines_are_read_with_their_time_and_level(raw: str, level: str, text: str) -> None:
    line = only("p", raw)
    assert (line.level, line.text) == (level, text)
    assert line.time > 1_700_000_000 or raw.startswith("E")


def test_what_says_nothing_of_itself_belongs_to_the_line_before() -> None:
    [first, second] = parse_log_lines("p", [ours(1, "a"), "Traceback", "  File", ours(2, "b")])
    assert first.more == ("Traceback", "  File")
    assert second.more == ()
    assert [line.text for line in parse_log_lines("p", ["no log line", "at all"])] == ["no log line"]


def test_an_exception_is_shown_below_its_line() -> None:
    assert only("p", ours(1, "failed", exception="Traceback\nKeyError")).more == ("Traceback", "KeyError")


@pytest.mark.parametrize("raw", ["{", "{}", "[]", '{"time": 7}', '{"t": 1, "msg": 2}', "", "\x00", "[x][y]"])
def test_what_is_no_log_line_is_shown_as_it_is(raw: str) -> None:
    assert only("p", raw).text == raw


def test_lines_of_several_processes_come_in_the_order_of_time() -> None:
    one = parse_log_lines("one", [ours(1, "a"), ours(4, "d"), ours(3, "after d in its file")])
    other = parse_log_lines("other", [ours(2, "b"), ours(3, "c")])
    assert [line.text for line in merge_log_lines([one, other])] == [
        "a",
        "b",
        "c",
        "d",
        "after d in its file",
    ]


def test_levels_are_in_order() -> None:
    assert only("p", ours(1, "a", "error")).is_at_least("warning")
    assert not only("p", ours(1, "a", "info")).is_at_least("warning")
    assert log_lines.LOG_LEVELS[0] == "debug"
