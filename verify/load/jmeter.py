"""JMeter: runs the test plan with a profile, and reads its results."""

import csv
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from devstack import binaries
from ops.errors import OpsError
from verify.bench.samples import percentile
from verify.load.load_data import LoadData
from verify.load.load_result import LoadInterval, LoadResult, figures_of_calls
from verify.load.load_target import LoadTarget
from verify.load.profiles import LOAD_TESTS, LoadProfile
from verify.load.tool_run import run_error, run_tool

JMETER: Final = "jmeter"
PLAN_FILE: Final = LOAD_TESTS / "jmeter-test-plan.jmx"
LAUNCHER_FILE: Final = Path(__file__).with_name("jmeter_launcher.bsh")
RESULTS_FILE: Final = "jmeter.csv"
LOG_FILE: Final = "jmeter.log"
PROPERTIES_FILE: Final = "jmeter.properties"
SESSION_S: Final = 3.5
"""How long a session of the plan takes, most of it thinking: this many threads begin one session a second."""
MAX_HEAP: Final = "512m"
INTERVAL_S: Final = 10
NO_ANSWER: Final = "Non HTTP response code"
NO_ANSWER_MESSAGE: Final = "Non HTTP response message: "
SAVED_FIELDS: Final = {
    **{f"jmeter.save.saveservice.{name}": "true" for name in ("print_field_names", "label", "response_code")},
    **{f"jmeter.save.saveservice.{name}": "true" for name in ("time", "successful", "response_message")},
    "jmeter.save.saveservice.output_format": "csv",
    "jmeter.save.saveservice.timestamp_format": "ms",
    "jmeter.save.saveservice.assertion_results_failure_message": "true",
    # Else it listens for a command to stop.
    "jmeterengine.nongui.port": "0",
}


def run_jmeter(profile: LoadProfile, target: LoadTarget, data: LoadData, folder: Path) -> LoadResult:
    """Run the plan with a profile; `jmeter.csv` and `jmeter.log` are in the folder afterwards.

    Raises OpsError when JMeter is not installed, or ends without results.
    """
    results, log, properties = (folder / name for name in (RESULTS_FILE, LOG_FILE, PROPERTIES_FILE))
    _write_properties(properties, plan_properties(profile, target, data) | SAVED_FIELDS)
    command = [*_launch_command(), "-n", "-t", str(PLAN_FILE), "-l", str(results)]
    command += ["-j", str(log), "-q", str(properties)]
    output = folder / "jmeter.out"
    code = run_tool(JMETER, command, log=output, results=results, load_s=profile.duration_s)
    if code != 0:
        raise run_error(JMETER, code, output)
    with results.open(newline="") as lines_of_results:
        return parse_jmeter_results(lines_of_results)


def plan_properties(profile: LoadProfile, target: LoadTarget, data: LoadData) -> dict[str, str]:
    """Return the parameters of the plan, which by hand are given with `-J`."""
    sessions_at_once = profile.sustained_per_s * SESSION_S
    threads = {
        f"{scenario}_threads": str(max(1, math.ceil(sessions_at_once * profile.share_of(scenario))))
        for scenario in profile.shares
    }
    return threads | {
        "host": target.host,
        "port": str(target.port),
        "seconds": str(profile.duration_s),
        "ramp": str(profile.duration_s - profile.phases[-1].duration_s),
        "password": data.password,
        "students": str(data.students),
        "first_student": "1",
        "listings": ",".join(data.listing_ids),
    }


def parse_jmeter_results(lines: Iterable[str]) -> LoadResult:
    """Return the figures of a file of results in CSV. Raises OpsError when it is none."""
    rows = list(csv.DictReader(lines))
    if rows and not {"timeStamp", "elapsed", "label", "success"} <= rows[0].keys():
        raise OpsError(f"jmeter's results lack a header: {', '.join(map(str, rows[0]))}")
    times_ms: defaultdict[str, list[float]] = defaultdict(list)
    failures: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        times_ms[row["label"]].append(float(row["elapsed"]))
        if row["success"] != "true":
            failures[row["label"]][_reason_of(row)] += 1
    all_times = [time for times in times_ms.values() for time in times]
    starts_ms = [float(row["timeStamp"]) for row in rows]
    return LoadResult(
        tool=JMETER,
        counted="calls",
        attempted=len(rows),
        failed=sum(each.total() for each in failures.values()),
        duration_s=(max(starts_ms) - min(starts_ms)) / 1000 if rows else 0.0,
        p99_ms=percentile(all_times, 0.99),
        calls=[figures_of_calls(label, times_ms[label], failures[label]) for label in sorted(times_ms)],
        failures=dict(sum(failures.values(), Counter[str]())),
        intervals=_divide_into_intervals(starts_ms, [float(row["elapsed"]) for row in rows]),
    )


def _reason_of(row: Mapping[str, str]) -> str:
    code = row.get("responseCode", "")
    if code.startswith(NO_ANSWER):
        return row.get("responseMessage", code).removeprefix(NO_ANSWER_MESSAGE)
    if code.isdigit() and int(code) >= 400:
        return f"HTTP {code}"
    return row.get("failureMessage") or row.get("responseMessage") or code


def _divide_into_intervals(starts_ms: Sequence[float], times_ms: Sequence[float]) -> list[LoadInterval]:
    first = min(starts_ms, default=0.0)
    by_interval: defaultdict[int, list[float]] = defaultdict(list)
    for start, time in zip(starts_ms, times_ms, strict=True):
        by_interval[int((start - first) / 1000) // INTERVAL_S].append(time)
    return [
        LoadInterval(
            number * INTERVAL_S, len(times) / INTERVAL_S, percentile(times, 0.5), percentile(times, 0.99)
        )
        for number, times in sorted(by_interval.items())
    ]


def _launch_command() -> list[str]:
    home = binaries.jmeter_home()
    jars = [home / "bin" / "ApacheJMeter.jar", home / "lib" / "ext" / "*", home / "lib" / "*"]
    class_path = os.pathsep.join(map(str, [*jars, binaries.beanshell_jar()]))
    return [
        *("java", f"-Xmx{MAX_HEAP}", "-Djava.awt.headless=true", f"-Djmeter.home={home}"),
        *("-cp", class_path, "bsh.Interpreter", str(LAUNCHER_FILE)),
    ]


def _write_properties(path: Path, properties: Mapping[str, str]) -> None:
    """Write a file that only its owner reads: it holds a password."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
