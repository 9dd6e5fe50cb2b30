"""Runs a tool that puts load on a stack, and waits for what it writes."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from devstack.supervisor import read_last_lines
from ops.errors import OpsError

EXIT_TIMEOUT_S: Final = 120.0
"""The time for a tool to end after its load."""
SHOWN_LOG_LINES: Final = 15


def run_tool(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    results: Path,
    load_s: float,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run a tool for the time of its load, with its output in `log`; return its exit code.

    Raises OpsError when it does not end, or leaves no file `results`.
    """
    results.unlink(missing_ok=True)
    with log.open("w") as output:
        try:
            done = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                timeout=load_s + EXIT_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise OpsError(f"{name} did not end {EXIT_TIMEOUT_S:g} s after its load: {log}") from error
    if not results.exists():
        raise run_error(name, done.returncode, log)
    return done.returncode


def run_error(name: str, code: int, log: Path) -> OpsError:
    """Return the error that a tool has ended without results that can be used, with its last lines."""
    lines = "\n".join(read_last_lines(log, SHOWN_LOG_LINES))
    return OpsError(f"{name} ended with code {code} and without results:\n{lines}")
