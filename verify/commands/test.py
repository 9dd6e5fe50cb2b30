"""`ic test`: run every test against real servers of the test run's own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Annotated
from xml.etree import ElementTree

import typer

from devstack import lifecycle, stubs, topology
from devstack.paths import STATE
from devstack.rate_limiter import LIFTED_LIMITS_FACTOR
from devstack.telemetry import OTLP_ENDPOINT_VARIABLE, TRACE_SAMPLE_RATIO_VARIABLE
from devstack.topology import Topology
from ops.console import console
from ops.errors import OpsError
from ops.paths import REPO
from ops.progress import StepProgress
from verify.test_durations import print_slowest_tests, read_durations

UNIT_TESTS = "tests/unit"
UNIT_OPTIONS = ("-n", "2")
UNIT_NICENESS = 5
"""Beside the others unit tests take the time that is left: nothing waits for them, and they for nothing."""
ON_STORES = (
    *("tests/integration/analytics", "tests/integration/application", "tests/integration/auth"),
    *("tests/integration/chassis", "tests/integration/internship", "tests/integration/messaging"),
    *("tests/integration/notification", "tests/integration/ratelimit", "tests/integration/user"),
)
"""Tests that stop stores, and have some of their own, which other processes do not use."""
ON_SERVICES = ("tests/integration/auth/test_over_grpc.py", "tests/integration/chassis/test_process.py")
EDGE_ALONE = (
    *("tests/integration/edge/test_authorization.py", "tests/integration/edge/test_edge.py"),
    *("tests/integration/edge/test_faults.py", "tests/integration/edge/test_requests.py"),
)
"""Tests with a gateway and services of their own, which use nothing of the stack."""
EDGE_WITH_REDIS = (
    *("tests/integration/edge/test_event_stream.py", "tests/integration/edge/test_limits.py"),
    *("tests/integration/edge/test_quotas.py", "tests/integration/edge/test_sign_ins.py"),
)
"""Tests that count in the stack's Redis, as do requests to its gateway: never at the same time."""
SIDE_BY_SIDE = {
    "apart": (
        *("tests/integration/control_plane", "tests/integration/stack/test_moves.py", *ON_SERVICES),
        *EDGE_ALONE,
        *("tests/integration/stack/test_backup_rounds.py", "tests/integration/stack/test_backup_servers.py"),
    ),
    "edge": (*EDGE_WITH_REDIS, "tests/integration/observability", "tests/e2e", "tests/hostile"),
}
"""Runs on the stack that do not disturb each other."""
IN_TURN = (
    *("tests/integration/stack", "tests/docs", "tests/integration/load", "tests/faults"),
    *("tests/resilience", "tests/replicas", "tests/chaos", "tests/growth", "tests/observed"),
)
"""Tests that stop processes or change the stack: in a whole run they follow the others on it."""
REPORTS_FOLDER = STATE / "test"
STACK_VARIABLE = "IC_TEST_STACK"
NOTHING_COLLECTED_CODE = 5
PASSING_CODES = (0, NOTHING_COLLECTED_CODE)
SLOWEST_TESTS_SHOWN = 10


class ResultTally:
    """The totals of one command's test runs, with each run's report and seconds."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.took_s: dict[Path, float] = {}
        self._adding = Lock()

    def add_report(self, report: Path, exit_code: int, took_s: float = 0.0) -> None:
        """Count one run; a run that ended badly without a failed test counts as failed."""
        passed = failed = 0
        if report.exists():
            for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314 - our own file
                bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
                failed += bad
                passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
        if exit_code not in PASSING_CODES and not failed:
            failed = 1
        with self._adding:
            self.passed += passed
            self.failed += failed
            self.took_s[report] = took_s

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed"


def register(app: typer.Typer) -> None:
    """Add `ic test`."""
    passes_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command("test", context_settings=passes_on)(run_tests)


def run_tests(
    context: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the test stack running.")] = False,
    stack: Annotated[
        str, typer.Option("--stack", help="Name of the stack that is made for the run.")
    ] = "test",
) -> None:
    """Run unit tests, and integration and end-to-end tests on a stack of their own.

    What else is given goes to pytest: `ic test -k login`, `ic test tests/unit/ops -x`.
    """
    targets, arguments = _split_arguments(context.args)
    stubs.build_generated_stubs()
    tally = ResultTally()
    if targets:
        _run_targets(targets, arguments, tally, lambda: temporary_stack(stack, keep=keep, tally=tally))
    else:
        # Tests on a stack wait a part of the time.
        with (
            _beside("unit", [UNIT_TESTS, *UNIT_OPTIONS, *arguments], tally) as unit,
            temporary_stack(stack, keep=keep, tally=tally) as found,
        ):
            _run_all(arguments, tally, found, unit)
        print_run_times(tally)
    console.print(str(tally), style="bold red" if tally.failed else "bold green")
    raise typer.Exit(1 if tally.failed else 0)


def print_run_times(tally: ResultTally) -> None:
    """Print the seconds of each run, the longest first, and the slowest tests of all."""
    for report, took_s in sorted(tally.took_s.items(), key=lambda each: each[1], reverse=True):
        console.print(f"[dim]{report.stem:<8} {took_s:7.1f} s[/]")
    print_slowest_tests(
        read_durations(report for report in tally.took_s if report.exists()), SLOWEST_TESTS_SHOWN
    )


def _run_targets(
    targets: Sequence[str],
    arguments: Sequence[str],
    tally: ResultTally,
    start_stack: Callable[[], AbstractContextManager[Topology]],
) -> None:
    """Run these tests, and start a stack only for those that need one."""
    unit = [target for target in targets if _is_unit_target(target)]
    if unit:
        run_pytest("unit", unit, [*UNIT_OPTIONS, *arguments], tally)
    if len(unit) < len(targets):
        with start_stack() as found:
            others = [target for target in targets if target not in unit]
            run_pytest("stack", others, arguments, tally, stack=found)


@contextmanager
def _beside(name: str, arguments: Sequence[str], tally: ResultTally) -> "Iterator[Future[None]]":
    """Run these tests beside the block, which they end with."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(run_pytest, name, arguments, [], tally, log=_log_file(name), niceness=UNIT_NICENESS)


def _run_all(arguments: Sequence[str], tally: ResultTally, stack: Topology, unit: "Future[None]") -> None:
    """Run the tests that can run at the same time, then those that stop processes of the stack.

    Unit tests and those on the stores beside it run all the time.
    """
    done = [f"--ignore={target}" for targets in SIDE_BY_SIDE.values() for target in targets]
    with _stores_beside(stack) as stores, ThreadPoolExecutor() as pool:

        def begin(name: str, targets: Sequence[str], on: Topology) -> "Future[None]":
            return pool.submit(
                run_pytest, name, [*targets, *arguments], [], tally, stack=on, log=_log_file(name)
            )

        on_stores = begin("stores", (*ON_STORES, *(f"--ignore={each}" for each in ON_SERVICES)), stores)
        for run in [begin(name, targets, stack) for name, targets in SIDE_BY_SIDE.items()]:
            run.result()
        _print_logs(SIDE_BY_SIDE)
        run_pytest("stack", [*IN_TURN, *done], arguments, tally, stack=stack)
        on_stores.result()
        unit.result()
    _print_logs(["unit", "stores"])


def _log_file(name: str) -> Path:
    return REPORTS_FOLDER / f"{name}.log"


def _print_logs(names: Iterable[str]) -> None:
    for name in names:
        console.print(_log_file(name).read_text(), markup=False, highlight=False)


@contextmanager
def _stores_beside(stack: Topology) -> Iterator[Topology]:
    """Start the stores of a second stack, without services, and remove them afterwards."""
    name = f"{stack.name}-stores"
    if name in topology.stack_names():
        lifecycle.stop_stack(topology.find_stack(name), wipe=True)
    stores = topology.find_or_create_stack(name, limits_times=LIFTED_LIMITS_FACTOR)
    try:
        lifecycle.start_stack(stores, StepProgress(), stores_only=True)
        yield stores
    finally:
        lifecycle.stop_stack(stores, wipe=True)


def _split_arguments(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments into test files or folders, and all others."""
    targets = [argument for argument in given if not argument.startswith("-") and _target_exists(argument)]
    return targets, [argument for argument in given if argument not in targets]


def _target_exists(target: str) -> bool:
    return (REPO / target.split("::", maxsplit=1)[0]).exists()


def _is_unit_target(target: str) -> bool:
    return target.startswith(UNIT_TESTS)


@contextmanager
def temporary_stack(name: str, *, keep: bool, tally: ResultTally) -> Iterator[Topology]:
    """Start a new stack and remove it afterwards; its logs stay when a test fails."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if name in topology.stack_names():
        lifecycle.stop_stack(topology.find_stack(name), wipe=True)
    found = topology.find_or_create_stack(name, limits_times=LIFTED_LIMITS_FACTOR)
    # Traces go to an address where a test may listen; only those that a test requests by a sampled
    # `traceparent`.
    os.environ |= {
        OTLP_ENDPOINT_VARIABLE: f"127.0.0.1:{found.gateway + 2}",
        TRACE_SAMPLE_RATIO_VARIABLE: "0",
    }
    failed_before = tally.failed
    try:
        lifecycle.start_stack(found, StepProgress())
        yield found
    except BaseException:
        _keep_logs(found)
        raise
    finally:
        if tally.failed > failed_before:
            _keep_logs(found)
        if keep:
            console.print(f"the stack '{name}' is left running: ic down --stack {name} --wipe")
        else:
            lifecycle.stop_stack(found, wipe=True)


def _keep_logs(found: Topology) -> None:
    kept = REPORTS_FOLDER / "logs"
    shutil.rmtree(kept, ignore_errors=True)
    if found.logs_folder.exists():
        shutil.copytree(found.logs_folder, kept)
        console.print(f"the processes' logs of this run: {kept.relative_to(REPO)}")


def run_pytest(
    name: str,
    targets: Sequence[str],
    arguments: Sequence[str],
    tally: ResultTally,
    *,
    stack: Topology | None = None,
    log: Path | None = None,
    niceness: int = 0,
) -> None:
    """Run these tests in a process of their own, on a stack if one is given, and add them to the tally.

    Their output goes to the file `log` if there is one.
    """
    report = REPORTS_FOLDER / f"{name}.xml"
    REPORTS_FOLDER.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    start = time.monotonic()
    command = [
        "nice",
        "-n",
        str(niceness),
        sys.executable,
        "-m",
        "pytest",
        *targets,
        f"--junitxml={report}",
        *arguments,
    ]
    environment = dict(os.environ) | ({STACK_VARIABLE: str(stack.path)} if stack else {})
    try:
        with log.open("w") if log else nullcontext() as output:
            done = subprocess.run(command, cwd=REPO, check=False, env=environment, stdout=output)
    except OSError as error:
        raise OpsError(f"pytest does not start: {error}") from error
    took_s = time.monotonic() - start
    tally.add_report(report, done.returncode, took_s)
    console.print(f"[dim]{name} tests took {took_s:.1f} s[/]")
