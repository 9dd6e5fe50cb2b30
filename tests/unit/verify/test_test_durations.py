"""Sums and order of the times in pytest's reports."""

import subprocess
import sys
from pathlib import Path

import pytest

from ops.errors import OpsError
from ops.paths import REPO
from verify.test_durations import FileDuration, main, read_durations, sum_by_file


def write_report(path: Path, *cases: tuple[str, str, float]) -> Path:
    rows = "".join(
        f'<testcase classname="{classname}" name="{name}" time="{took_s}"/>'
        for classname, name, took_s in cases
    )
    path.write_text(f'<testsuites><testsuite name="pytest">{rows}</testsuite></testsuites>')
    return path


@pytest.fixture
def reports(tmp_path: Path) -> list[Path]:
    """Two reports with 7 seconds of two files."""
    return [
        write_report(
            tmp_path / "unit.xml",
            ("tests.unit.auth.test_tokens", "test_quick[a]", 0.25),
            ("tests.unit.auth.test_tokens.TestCase", "runTest", 1.75),
        ),
        write_report(tmp_path / "edge.xml", ("tests.e2e.test_views", "test_slow[GET /x]", 5.0)),
    ]


def test_times_are_summed_by_file_over_all_reports_and_the_slowest_is_first(reports: list[Path]) -> None:
    assert sum_by_file(read_durations(reports)) == [
        FileDuration("tests/e2e/test_views.py", 1, 5.0),
        FileDuration("tests/unit/auth/test_tokens.py", 2, 2.0),
    ]


def test_single_tests_are_listed_from_the_slowest(reports: list[Path]) -> None:
    assert [each.name for each in read_durations(reports)] == [
        "test_slow[GET /x]",
        "runTest",
        "test_quick[a]",
    ]


def test_as_many_rows_are_printed_as_were_asked_for_and_the_sum_of_all(
    reports: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*map(str, reports), "--rows", "1"]) == 0
    lines = [line.rstrip().split(maxsplit=2) for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[1:3] == [["5.0", "1", "tests/e2e/test_views.py"], ["7.0", "3", "all files"]]
    assert [" ".join(line) for line in lines[4:]] == ["5.0 tests/e2e/test_views.py::test_slow[GET /x]"]


def test_a_report_of_pytest_itself_is_read_with_its_files(tmp_path: Path) -> None:
    test = tmp_path / "test_own.py"
    test.write_text("class TestIt:\n    def test_one(self):\n        pass\n\n\ndef test_two():\n    pass\n")
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    subprocess.run(
        [*command, f"--junitxml={report}", str(test)], cwd=tmp_path, check=True, capture_output=True
    )
    assert [(each.file, each.tests) for each in sum_by_file(read_durations([report]))] == [("test_own.py", 2)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file or directory; run `ic test`"),
        ("seconds: 5", "is no JUnit report"),
    ],
)
def test_what_is_no_report_is_named(tmp_path: Path, content: str | None, complaint: str) -> None:
    report = tmp_path / "report.xml"
    if content is not None:
        report.write_text(content)
    with pytest.raises(OpsError, match=complaint):
        read_durations([report])


def test_the_tool_ends_with_one_line_when_a_report_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "verify.test_durations", str(tmp_path / "none.xml")]
    done = subprocess.run(command, cwd=REPO, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "none.xml cannot be read" in done.stderr
