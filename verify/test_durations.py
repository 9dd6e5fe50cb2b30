"""Where test runs spend their time: seconds by file and the slowest tests, from pytest's JUnit reports.

`python -m verify.test_durations .ic/test/*.xml` prints both for the last `ic test`.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from rich.table import Table

from ops.console import console
from ops.errors import OpsError

DEFAULT_ROWS: Final = 30
TEST_FILE_PREFIX: Final = "test_"


@dataclass(frozen=True)
class TestDuration:
    """The seconds of one test, its fixtures included; a fixture that tests share counts for the first."""

    __test__ = False

    file: str
    name: str
    took_s: float


@dataclass(frozen=True)
class FileDuration:
    """The seconds of all tests of one file."""

    file: str
    tests: int
    took_s: float


def read_durations(reports: Iterable[Path]) -> list[TestDuration]:
    """Return all tests of these reports, the slowest first. Raises OpsError if one cannot be read."""
    found = [each for report in reports for each in _read_report(report)]
    return sorted(found, key=lambda each: each.took_s, reverse=True)


def sum_by_file(durations: Iterable[TestDuration]) -> list[FileDuration]:
    """Return the sum of each file, the slowest first."""
    by_file: defaultdict[str, list[float]] = defaultdict(list)
    for each in durations:
        by_file[each.file].append(each.took_s)
    sums = [FileDuration(file, len(took), sum(took)) for file, took in by_file.items()]
    return sorted(sums, key=lambda each: each.took_s, reverse=True)


def print_slowest_tests(durations: Sequence[TestDuration], rows: int) -> None:
    """Print the first `rows` of these tests."""
    table = Table("seconds", "test", box=None, pad_edge=False)
    table.columns[0].justify = "right"
    for each in durations[:rows]:
        table.add_row(f"{each.took_s:.1f}", _escaped(f"{each.file}::{each.name}"))
    console.print(table)


def print_slowest_files(durations: Sequence[TestDuration], rows: int) -> None:
    """Print the first `rows` files, and the sum of all."""
    table = Table("seconds", "tests", "file", box=None, pad_edge=False, show_footer=True)
    for column in table.columns[:2]:
        column.justify = "right"
    for each in sum_by_file(durations)[:rows]:
        table.add_row(f"{each.took_s:.1f}", str(each.tests), _escaped(each.file))
    table.columns[0].footer = f"{sum(each.took_s for each in durations):.1f}"
    table.columns[1].footer = str(len(durations))
    table.columns[2].footer = "all files"
    console.print(table)


def _read_report(report: Path) -> list[TestDuration]:
    try:
        root = ElementTree.parse(report).getroot()  # noqa: S314 - our own file
    except OSError as error:
        raise OpsError(
            f"the report {report} cannot be read: {error.strerror}; run `ic test` first"
        ) from error
    except ElementTree.ParseError as error:
        raise OpsError(f"{report} is no JUnit report: {error}; give files of .ic/test") from error
    return [
        TestDuration(_file_of(case.get("classname", "")), case.get("name", ""), float(case.get("time", 0)))
        for case in root.iter("testcase")
    ]


def _file_of(classname: str) -> str:
    """Return the file of a dotted name, which may end with a class of the file."""
    parts = classname.split(".")
    modules = [place for place, part in enumerate(parts) if part.startswith(TEST_FILE_PREFIX)]
    return "/".join(parts[: modules[-1] + 1]) + ".py" if modules else classname


def _escaped(text: str) -> str:
    """Return the text so that rich prints brackets of parametrised tests as they are."""
    return text.replace("[", r"\[")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the slowest files and tests of the reports; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m verify.test_durations", description=__doc__)
    parser.add_argument("reports", type=Path, nargs="+", help="JUnit reports, such as .ic/test/unit.xml")
    parser.add_argument("--rows", type=int, default=DEFAULT_ROWS, help="rows of each table (default 30)")
    given = parser.parse_args(arguments)
    if given.rows < 1:
        parser.error("--rows is the number of rows of each table: give 1 or more")
    try:
        durations = read_durations(given.reports)
    except OpsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print_slowest_files(durations, given.rows)
    console.print()
    print_slowest_tests(durations, given.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
