"""What the test runs of one `ic test` add up to."""

from pathlib import Path

from verify.commands.test import ResultTally


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
