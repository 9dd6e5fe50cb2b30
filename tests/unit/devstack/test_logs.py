"""`ic logs`: lines of all processes as one, safe to look at."""

import json
from pathlib import Path

import pytest

from devstack import topology
from ops import log_lines
from ops.cli import main
from ops.log_lines import LogLine, merge_log_lines, parse_log_lines
from ops.printable import printable

Screen = pytest.CaptureFixture[str]


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Łódź, 東京, สวัสดี, 👩\u200d💻", "Łódź, 東京, สวัสดี, 👩\u200d💻"),
        ("a\x1b[2Jb\x07", "a\\x1b[2Jb\\x07"),
        ("one\r\ntwo", "one\\x0d\\x0atwo"),
        ("\x9b31m \u202edcba \u2028", "\\x9b31m \\u202edcba \\u2028"),
    ],
)
def test_text_of_others_has_no_effect_on_a_screen(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.fixture
def stack(state_dir: Path) -> str:
    """Return a stack that never ran, with the logs of two processes."""
    found = topology.find_or_create_stack("logged")
    found.logs_folder.mkdir(parents=True)
    (found.logs_folder / "auth-serve.log").write_text(
        "\n".join(
            [
                ours(1, "rpc", request_id="req-12345", trace_id="t1", code="OK"),
                ours(5, "refused", "warning", name="\x1b[2J\nfake", trace_id="t2"),
            ]
        )
        + "\n"
    )
    (found.logs_folder / "user-work.log").write_text(
        "\n".join(
            [ours(2, "event handled", trace_id="t1"), ours(3, "idle", "debug"), ours(6, "broke", "error")]
        )
        + "\n"
    )
    return "logged"


def shown(screen: Screen, *arguments: str) -> list[str]:
    with pytest.raises(SystemExit) as left:
        main(["logs", *arguments])
    assert not left.value.code
    return screen.readouterr().out.splitlines()


def events(told: list[str]) -> list[str]:
    return [json.loads(line)["event"] for line in told]


def test_by_default_the_last_lines_are_shown_for_reading(stack: str, capsys: Screen) -> None:
    told = shown(capsys, "--stack", stack)
    assert "code=OK" in told[0]
    assert ["rpc" in told[0], "event handled" in told[1], "broke" in told[3]] == [True] * 3
    assert "\x1b" not in told[2]
    assert "\\x1b" in told[2] or "\\u001b" in told[2]


def test_level_count_and_process_narrow_what_is_shown(stack: str, capsys: Screen) -> None:
    json_of = ("--stack", stack, "--json")
    assert events(shown(capsys, *json_of, "--level", "warning")) == ["refused", "broke"]
    assert events(shown(capsys, *json_of, "-n", "1")) == ["broke"]
    assert events(shown(capsys, "user-work", *json_of)) == ["event handled", "idle", "broke"]
    assert events(shown(capsys, *json_of, "--since", "2026-11-28T19:19:04Z")) == ["refused", "broke"]
    assert events(shown(capsys, *json_of, "--trace", "t2t2")) == []


def test_a_request_brings_the_lines_of_its_trace_in_other_processes(stack: str, capsys: Screen) -> None:
    assert events(shown(capsys, "--stack", stack, "--json", "--request", "req-123")) == [
        "rpc",
        "event handled",
    ]


def test_only_ids_are_searched_not_paths_or_texts_that_hold_the_same_characters(
    stack: str, capsys: Screen
) -> None:
    folder = topology.find_stack(stack).logs_folder
    (folder / "envoy.log").write_text(
        ours(7, "http_request", path="/api/v1/nope", request_id="abcd-1", trace_id="f00d")
        + "\n"
        + ours(8, "nope", "warning", error="no such path: /nope")
        + "\n"
        + ours(9, "event not handled", "warning", event_id="evt_nope1")
        + "\n"
    )
    searched = ("--stack", stack, "--json")
    assert events(shown(capsys, *searched, "--request", "nope")) == []
    assert events(shown(capsys, *searched, "--trace", "nope")) == []
    assert events(shown(capsys, *searched, "--request", "abcd")) == ["http_request"]
    assert events(shown(capsys, *searched, "--trace", "f00d")) == ["http_request"]
    assert events(shown(capsys, *searched, "--request", "evt_nope")) == ["event not handled"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nobody"], "there is no log of 'nobody'"),
        (["--level", "loud"], "there is no level 'loud'"),
        (["--request", "x"], "--request takes an ID"),
        (["--since", "yesterday"], "--since takes a time"),
        (["-n", "many"], "Invalid value"),
    ],
)
def test_a_mistake_is_reported_in_a_sentence(
    stack: str, capsys: Screen, arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["logs", "--stack", stack, *arguments])
    assert left.value.code
    told = capsys.readouterr()
    assert says in told.out + told.err
    assert "Traceback" not in told.out + told.err


def test_levels_are_in_order() -> None:
    assert only("p", ours(1, "a", "error")).is_at_least("warning")
    assert not only("p", ours(1, "a", "info")).is_at_least("warning")
    assert log_lines.LOG_LEVELS[0] == "debug"
