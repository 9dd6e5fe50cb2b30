"""All thorough suites in turn, here with stand-ins that take no time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops.errors import OpsError
from ops.paths import REPO
from tests.waiting import WAIT_TIMEOUT_S, wait_until_blocking
from verify.commands.test import IN_TURN, ON_SERVICES, ON_STORES, SIDE_BY_SIDE, UNIT_TESTS
from verify.commands.thorough import print_suite_results
from verify.thorough import ThoroughSuite, list_suites, run_suites, select_suites


def stand_in(name: str, code: str) -> ThoroughSuite:
    return ThoroughSuite(name, "a stand-in", (sys.executable, "-c", code))


def silent(_: ThoroughSuite) -> None:
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
    results = run_suites(wanted, silent)
    assert log.read_text() == "first broken last"
    assert [result.outcome for result in results] == ["passed", "failed", "passed"]
    assert print_suite_results(results) == 1
    table = capsys.readouterr().out
    assert [line.split()[:2] for line in table.splitlines()[1:4]] == [
        ["first", "passed"],
        ["broken", "failed"],
        ["last", "passed"],
    ]
    assert "2 of 3 passed" in table


def test_the_exit_code_is_0_when_all_passed() -> None:
    assert print_suite_results(run_suites([stand_in("good", "")], silent)) == 0


def test_a_suite_that_cannot_be_started_is_an_operators_error() -> None:
    with pytest.raises(OpsError, match="does not start"):
        run_suites([ThoroughSuite("gone", "", ("/no/such/program",))], silent)


def test_each_suite_can_be_chosen_and_an_unknown_one_is_answered_with_those_that_there_are() -> None:
    among = list_suites()
    names = [suite.name for suite in among]
    assert {"faults", "resilience", "replicas", "growth", "chaos", "overload", "fuzz"} <= set(names)
    assert [suite.name for suite in select_suites(["chaos", "faults"], among)] == ["faults", "chaos"]
    assert select_suites([], among) == list(among)
    with pytest.raises(OpsError, match="no suite 'chaoss'; there are: faults, overload"):
        select_suites(["chaoss"], among)


def test_every_thorough_test_belongs_to_a_suite() -> None:
    marked = {
        str(path.relative_to(REPO))
        for path in (REPO / "tests").rglob("test_*.py")
        if "mark.thorough" in path.read_text() and "tests/unit" not in str(path)
    }
    targets = {part for suite in list_suites() for part in suite.command if part.startswith("tests/")}
    assert marked
    assert not [path for path in marked if not any(path.startswith(target) for target in targets)]


def test_when_interrupted_it_ends_the_running_suite_and_lists_those_not_run(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    endless = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)"
    script = (
        "import sys\n"
        "from verify.commands.thorough import print_suite_results\n"
        "from verify.thorough import ThoroughSuite, run_suites\n"
        f"endless = ThoroughSuite('endless', '', (sys.executable, '-c', {endless!r}))\n"
        "next_one = ThoroughSuite('next', '', ('true',))\n"
        "sys.exit(print_suite_results(run_suites([endless, next_one], lambda _: None)))\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=REPO,
        env=os.environ | {"PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until_blocking(begun.exists, "the suite to begin")
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=WAIT_TIMEOUT_S)
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
        assert beside + on_stores + in_turn + is_within(file, UNIT_TESTS) == 1, file


def is_within(file: str, target: str) -> bool:
    return file == target or file.startswith(target + "/")
