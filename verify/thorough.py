"""Every thorough suite in turn: tests too long for each change, for use before a release or over night."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final

from ops.errors import OpsError
from ops.paths import REPO

TERMINATE_TIMEOUT_S: Final = 120.0
"""The time for a suite that gets SIGTERM to stop its stack."""
_THOROUGH_MARK: Final = ("-m", "thorough")


@dataclass(frozen=True)
class ThoroughSuite:
    """Some tests, and the command that runs them on a stack of their own."""

    name: str
    what: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class SuiteResult:
    """The result of a suite; `outcome` is `passed`, `failed` or `not run`."""

    suite: ThoroughSuite
    outcome: str
    took_s: float


def _ic_command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "ops.cli", *arguments)


def list_suites(fuzz_minutes: float = 30.0, stack: str = "thorough") -> tuple[ThoroughSuite, ...]:
    """Return all suites, in the order in which they run."""
    overload, enumeration = "tests/faults/test_overload.py", "tests/e2e/test_enumeration.py"
    on_stack = ("--stack", stack)
    tests = (
        ("faults", "processes killed under load", ("tests/faults", f"--ignore={overload}")),
        ("overload", "more calls than the stack can carry", (overload,)),
        ("moves", "slots moved, movers killed, a data key replaced", ("tests/integration/stack",)),
        ("resilience", "two regions, TLS, stores that hang", ("tests/resilience",)),
        ("replicas", "primaries killed, secondaries read", ("tests/replicas",)),
        ("growth", "shards added and slots moved under load", ("tests/growth",)),
        ("timing", "answers that disclose nothing by their time", ("tests/integration/auth", enumeration)),
        ("clients", "clients generated in other languages", ("tests/e2e", f"--ignore={enumeration}")),
        ("load", "load tests under the usual rate limits", ("tests/integration/load",)),
        ("observed", "Prometheus and Alertmanager, drills from a fault to a call", ("tests/observed",)),
        ("chaos", "people at work while everything breaks", ("tests/chaos",)),
        ("chart", "the chart with all Helms and versions, the image's steps", ("tests/unit/helm",)),
    )
    fuzz = _ic_command("fuzz", "--minutes", f"{fuzz_minutes:g}", *on_stack)
    return (
        *(
            ThoroughSuite(name, what, _ic_command("test", *where, *_THOROUGH_MARK, *on_stack))
            for name, what, where in tests
        ),
        ThoroughSuite("fuzz", f"hostile requests for {fuzz_minutes:g} minutes", fuzz),
    )


def select_suites(names: Sequence[str], among: Sequence[ThoroughSuite]) -> list[ThoroughSuite]:
    """Return the suites of these names in their own order; all without names. Raises OpsError if unknown."""
    known = [suite.name for suite in among]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OpsError(f"there is no suite '{unknown[0]}'; there are: {', '.join(known)}")
    return [suite for suite in among if not names or suite.name in names]


def run_suites(
    wanted: Iterable[ThoroughSuite], announce: Callable[[ThoroughSuite], None]
) -> list[SuiteResult]:
    """Run each suite, also after a failed one; after SIGTERM or SIGINT run no further one."""
    results = []
    is_over = False
    for suite in wanted:
        if is_over:
            results.append(SuiteResult(suite, "not run", 0.0))
            continue
        announce(suite)
        began = time.monotonic()
        try:
            outcome = "passed" if _run_suite(suite) == 0 else "failed"
        except KeyboardInterrupt:
            outcome, is_over = "failed", True
        results.append(SuiteResult(suite, outcome, time.monotonic() - began))
    return results


def _run_suite(suite: ThoroughSuite) -> int:
    """Run a suite; raise KeyboardInterrupt, after it has ended, when this process is asked to end."""
    before = signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        with subprocess.Popen(suite.command, cwd=REPO) as running:
            try:
                return running.wait()
            except KeyboardInterrupt:
                running.terminate()
                running.wait(TERMINATE_TIMEOUT_S)
                raise
    except OSError as error:
        raise OpsError(f"the suite '{suite.name}' does not start: {error}") from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
