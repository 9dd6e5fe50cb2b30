"""`ic logs`: lines of all processes as one, safe to look at."""

import json
from pathlib import Path

import pytest

from devstack import topology
from ops.cli import main

Screen = pytest.CaptureFixture[str]


def ours(second: int, event: str, level: str = "info", **fields: object) -> str:
    return json.dumps(
        {"time": f"2026-11-28T19:19:{second:02}.500Z", "level": level, "event": event, **fields}
    )


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
