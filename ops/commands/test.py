"""`ic test`: run every test against real servers of the test run's own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

import typer

from ops import stubs
from ops.console import console
from ops.errors import OpsError
from ops.paths import REPO, STATE
from ops.stack import lifecycle, topology
from ops.stack.rate_limiter import LIFTED_TIMES
from ops.stack.steps import Steps
from ops.stack.topology import Topology

UNIT = "tests/unit"
ON_A_STACK = (
    *("tests/integration", "tests/e2e", "tests/docs", "tests/hostile", "tests/faults"),
    *("tests/resilience", "tests/replicas", "tests/chaos", "tests/growth"),
)
APART = ("tests/integration/control_plane", "tests/integration/stack/test_moves.py")
"""They have servers of their own and leave the stack alone: a whole run has them beside the rest."""
REPORTS = STATE / "test"
STACK_VARIABLE = "IC_TEST_STACK"
OTLP_VARIABLE = "IC_OTLP_ENDPOINT"
NOTHING_COLLECTED = 5
PASSING = (0, NOTHING_COLLECTED)


class Tally:
    """What the test runs of one command add up to."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self._broken = False

    def add(self, report: Path, exit_code: int) -> None:
        """Counts one run; a run that ended badly without a failed test still fails the whole."""
        failed = 0
        if report.exists():
            for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314 - our own file
                bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
                failed += bad
                self.passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
        if exit_code not in PASSING and not failed:
            failed = 1
        self.failed += failed

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed"


def register(app: typer.Typer) -> None:
    """Adds `ic test`."""
    passes_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command("test", context_settings=passes_on)(run_tests)


def run_tests(
    context: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the test stack running.")] = False,
    stack: Annotated[
        str, typer.Option("--stack", help="Name of the stack that is made for the run.")
    ] = "test",
) -> None:
    """Run unit tests, then integration and end-to-end tests on a stack of their own.

    What else is given goes to pytest: `ic test -k login`, `ic test tests/unit/ops -x`.
    """
    targets, arguments = _split(context.args)
    unit = [target for target in targets or [UNIT] if _is_unit(target) and _exists(target)]
    on_a_stack = [target for target in targets or ON_A_STACK if not _is_unit(target) and _exists(target)]
    stubs.build()
    tally = Tally()
    if unit:
        run_pytest("unit", unit, ["-n", "2", *arguments], tally)
    if on_a_stack:
        apart = [] if targets else [target for target in APART if _exists(target)]
        ignored = [f"--ignore={target}" for target in apart]
        with stack_for_tests(stack, keep=keep, tally=tally) as found, _beside(apart, arguments, tally, found):
            run_pytest("stack", on_a_stack, [*ignored, *arguments], tally, stack=found)
    console.print(str(tally), style="bold red" if tally.failed else "bold green")
    raise typer.Exit(1 if tally.failed else 0)


@contextmanager
def _beside(
    targets: Sequence[str], arguments: Sequence[str], tally: Tally, stack: Topology
) -> Iterator[None]:
    """Runs these tests while the block runs; what they say is shown at its end."""
    if not targets:
        yield
        return
    said = REPORTS / "apart.log"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_pytest, "apart", targets, arguments, tally, stack=stack, said=said)
        yield
    console.print(said.read_text(), markup=False, highlight=False)
    running.result()


def _split(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Parts what was given into test files or folders, and everything else."""
    targets = [argument for argument in given if not argument.startswith("-") and _exists(argument)]
    return targets, [argument for argument in given if argument not in targets]


def _exists(target: str) -> bool:
    return (REPO / target.split("::", maxsplit=1)[0]).exists()


def _is_unit(target: str) -> bool:
    return target.startswith(UNIT)


@contextmanager
def stack_for_tests(name: str, *, keep: bool, tally: Tally) -> Iterator[Topology]:
    """A stack that is new, and gone afterwards whatever happens; its logs stay when a test fails."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if name in topology.stack_names():
        lifecycle.down(topology.find(name), wipe=True)
    found = topology.find_or_create(name, limits_times=LIFTED_TIMES)
    # Traces go where a test may listen; only those that a test asks for, by a sampled `traceparent`.
    os.environ |= {OTLP_VARIABLE: f"127.0.0.1:{found.gateway + 2}", "IC_TRACE_SAMPLE_RATIO": "0"}
    failed_before = tally.failed
    try:
        lifecycle.up(found, Steps())
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
            lifecycle.down(found, wipe=True)


def _keep_logs(found: Topology) -> None:
    kept = REPORTS / "logs"
    shutil.rmtree(kept, ignore_errors=True)
    if found.logs.exists():
        shutil.copytree(found.logs, kept)
        console.print(f"the processes' logs of this run: {kept.relative_to(REPO)}")


def run_pytest(
    name: str,
    targets: Sequence[str],
    arguments: Sequence[str],
    tally: Tally,
    *,
    stack: Topology | None = None,
    said: Path | None = None,
) -> None:
    """Runs these tests in a process of their own, on a stack if one is given, and adds them to the tally.

    What they print goes to the file `said` if there is one.
    """
    report = REPORTS / f"{name}.xml"
    REPORTS.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", *targets, f"--junitxml={report}", *arguments]
    environment = dict(os.environ) | ({STACK_VARIABLE: str(stack.path)} if stack else {})
    try:
        with said.open("w") if said else nullcontext() as output:
            done = subprocess.run(command, cwd=REPO, check=False, env=environment, stdout=output)
    except OSError as error:
        raise OpsError(f"pytest does not start: {error}") from error
    tally.add(report, done.returncode)
    console.print(f"[dim]{name} tests took {time.monotonic() - start:.1f} s[/]")
