"""All thorough suites in turn, here with stand-ins that take no time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops.commands.test import IN_TURN, ON_SERVICES, ON_STORES, SIDE_BY_SIDE, UNIT
from ops.commands.thorough import report
from ops.errors import OpsError
from ops.paths import REPO
from ops.thorough import Suite, chosen, run_all, suites
from tests.waiting import GENEROUS_S, await_true


def stand_in(name: str, code: str) -> Suite:
    return Suite(name, "a stand-in", (sys.executable, "-c", code))


def silent(_: Suite) -> None:
    pass


def test_all_suites_run_in_turn_and_a_failure_does_not_end_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    note = f"open({str(log)!r}, 'a').write"
    wanted = [
        stand_in("first", f"{note}('first ')"),
        stand_in("broken", f"{note}('broken '); raise SystemExit(3)"),
        stand_in("last", f"{note}('last')"),
    ]
    results = run_all(wanted, silent)
    assert log.read_text() == "first broken last"
    assert [result.outcome for result in results] == ["passed", "failed", "passed"]
    assert report(results) == 1
    table = capsys.readouterr().out
    assert [line.split()[:2] for line in table.splitlines()[1:4]] == [
        ["first", "passed"],
        ["broken", "failed"],
        ["last", "passed"],
    ]
    assert "2 of 3 passed" in table


def test_the_exit_code_is_0_when_all_passed() -> None:
    assert report(run_all([stand_in("good", "")], silent)) == 0


def test_a_suite_that_cannot_be_started_is_an_operators_error() -> None:
    with pytest.raises(OpsError, match="does not start"):
        run_all([Suite("gone", "", ("/no/such/program",))], silent)


def test_each_suite_can_be_chosen_and_an_unknown_one_is_answered_with_those_that_there_are() -> None:
    among = suites()
    names = [suite.name for suite in among]
    assert {"faults", "resilience", "replicas", "growth", "chaos", "overload", "fuzz"} <= set(names)
    assert [suite.name for suite in chosen(["chaos", "faults"], among)] == ["faults", "chaos"]
    assert chosen([], among) == list(among)
    with pytest.raises(OpsError, match="no suite 'chaoss'; there are: faults, overload"):
        chosen(["chaoss"], among)


def test_every_thorough_test_belongs_to_a_suite() -> None:
    marked = {
        str(path.relative_to(REPO))
        for path in (REPO / "tests").rglob("test_*.py")
        if "mark.thorough" in path.read_text() and "tests/unit" not in str(path)
    }
    targets = {part for suite in suites() for part in suite.command if part.startswith("tests/")}
    assert marked
    assert not [path for path in marked if not any(path.startswith(target) for target in targets)]


def test_told_to_end_it_ends_the_suite_at_hand_and_says_what_was_not_run(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    endless = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)"
    script = (
        "import sys\n"
        "from ops.commands.thorough import report\n"
        "from ops.thorough import Suite, run_all\n"
        f"endless = Suite('endless', '', (sys.executable, '-c', {endless!r}))\n"
        "sys.exit(report(run_all([endless, Suite('next', '', ('true',))], lambda _: None)))\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=REPO,
        env=os.environ | {"PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE,
        text=True,
    )
    await_true(begun.exists, "the suite to begin")
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=GENEROUS_S)
    assert running.returncode == 1
    assert "failed" in said
    assert "not run" in said


def test_a_whole_run_has_each_test_once() -> None:
    side_by_side = [target for targets in SIDE_BY_SIDE.values() for target in targets]
    for path in (REPO / "tests").rglob("test_*.py"):
        file = str(path.relative_to(REPO))
        beside = sum(is_within(file, target) for target in side_by_side)
        on_stores = file not in ON_SERVICES and any(is_within(file, target) for target in ON_STORES)
        in_turn = not beside and any(is_within(file, target) for target in IN_TURN)
        assert beside + on_stores + in_turn + is_within(file, UNIT) == 1, file


def is_within(file: str, target: str) -> bool:
    return file == target or file.startswith(target + "/")
