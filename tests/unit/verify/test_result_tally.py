"""What the test runs of one `ic test` add up to."""

from pathlib import Path

import pytest

from verify.commands.test import SLOWEST_TESTS_SHOWN, ResultTally, print_run_times


def test_a_tally_adds_runs_and_counts_errors_as_failures(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="1" errors="2" skipped="1"/></testsuites>')
    tally = ResultTally()

    tally.add_report(report, 1)
    tally.add_report(tmp_path / "never-written.xml", 5)

    assert str(tally) == "5 passed, 3 failed"


def test_a_run_that_broke_down_without_a_report_fails_the_whole(tmp_path: Path) -> None:
    tally = ResultTally()

    tally.add_report(tmp_path / "never-written.xml", 3)

    assert tally.failed == 1


def test_a_whole_run_ends_with_its_times_and_its_ten_slowest_tests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = "".join(f'<testcase classname="t.test_a" name="test_{n}" time="{n}.5"/>' for n in range(1, 13))
    unit, edge, lost = (tmp_path / f"{name}.xml" for name in ("unit", "edge", "lost"))
    unit.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    edge.write_text('<testsuite><testcase classname="t.test_b" name="test_x" time="90"/></testsuite>')
    tally = ResultTally()
    for report, took_s in ((unit, 95.25), (edge, 120.0), (lost, 1.0)):
        tally.add_report(report, 0 if report.exists() else 3, took_s)

    print_run_times(tally)

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [["edge", "120.0", "s"], ["unit", "95.2", "s"], ["lost", "1.0", "s"]]
    tests = lines[4:]
    assert len(tests) == SLOWEST_TESTS_SHOWN
    assert tests[:2] == [["90.0", "t/test_b.py::test_x"], ["12.5", "t/test_a.py::test_12"]]
