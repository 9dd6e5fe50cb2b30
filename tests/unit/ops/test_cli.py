"""The command line: mistakes end in a sentence."""

import json
from pathlib import Path

import pytest

from ops.cli import main
from ops.commands.test import Tally
from ops.stack.mongo import first_slot_map
from ops.stack.topology import Shard

Screen = pytest.CaptureFixture[str]


def _ic(screen: Screen, *arguments: str) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    shown = screen.readouterr()
    return left.value.code, shown.out + shown.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["status", "--stack", "never-made"], "there is no stack 'never-made'"),
        (["down", "--stack", "../etc"], "no name for a stack"),
        (["up", "--stack", "new", "--members", "2"], "--members takes 1 or 3"),
        (["fault", "redis", "--down", "--stack", "never-made"], "there is no stack 'never-made'"),
        (["frobnicate"], "No such command"),
        (["up", "--shards", "many"], "Invalid value"),
    ],
)
def test_a_mistake_ends_in_a_sentence_and_not_in_a_traceback(
    state_dir: Path, capsys: Screen, arguments: list[str], says: str
) -> None:
    code, shown = _ic(capsys, *arguments)

    assert code in (1, 2)
    assert says in shown


def test_help_lists_the_commands(capsys: Screen) -> None:
    _code, shown = _ic(capsys, "--help")

    for command in ("up", "down", "status", "logs", "mail", "lint", "test", "stubs", "provision", "fault"):
        assert command in shown
    for command in ("dlq", "outbox", "replay"):
        assert command in shown


def test_the_first_slot_map_deals_out_every_slot_once() -> None:
    shards = tuple(Shard(name=f"s{i}", ports=(27100 + i,)) for i in range(3))

    ranges = first_slot_map(shards)["ranges"]

    assert [found["first"] for found in ranges] == [0, *(found["last"] + 1 for found in ranges[:-1])]
    assert ranges[-1]["last"] == 16383
    assert "@" not in json.dumps(first_slot_map(shards))


def test_a_tally_adds_runs_and_counts_errors_as_failures(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="1" errors="2" skipped="1"/></testsuites>')
    tally = Tally()

    tally.add(report, 1)
    tally.add(tmp_path / "never-written.xml", 5)

    assert str(tally) == "5 passed, 3 failed"


def test_a_run_that_broke_down_without_a_report_fails_the_whole(tmp_path: Path) -> None:
    tally = Tally()

    tally.add(tmp_path / "never-written.xml", 3)

    assert tally.failed == 1
