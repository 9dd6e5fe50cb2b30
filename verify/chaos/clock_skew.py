"""Processes with a skewed wall clock.

The process runs for a while not under its supervisor but here, with libfaketime before the C library: every
wall clock that Python, gRPC and the drivers read is off by the same amount, while monotonic clocks are right.
"""

import os
import subprocess
import sys
import time
from typing import Final

from devstack import binaries
from devstack.process import StackProcess
from devstack.stack import Stack
from devstack.supervisor import STACK_MARKER, SupervisorClient, log_path
from ops.paths import GEN, REPO

SKEWED_PROCESS_MODULE: Final = "verify.chaos.skewed_process"


def skew_clock(
    supervisor: SupervisorClient, stack: Stack, process: StackProcess, minutes: int, for_s: float
) -> None:
    """Run the process with its clock some minutes ahead for some time, then again with the right one."""
    supervisor.stop(process.supervised_name)
    try:
        with log_path(stack.topology, process.name).open("ab") as log:
            skewed = subprocess.Popen(
                skewed_command(process.command),
                env=skewed_environment(stack, process, minutes),
                cwd=REPO,
                stdout=log,
                stderr=log,
            )
            try:
                time.sleep(for_s)
            finally:
                _stop_process(skewed, process.stop_wait_s)
    finally:
        supervisor.start(process.supervised_name)


def skewed_command(usual: tuple[str, ...]) -> list[str]:
    """Return the process's command `python -m MODULE ...`, with the runner between Python and the module."""
    python, option, *module = usual
    if (python, option) != (sys.executable, "-m"):
        raise ValueError(f"{usual} is no Python module")
    return [python, "-m", SKEWED_PROCESS_MODULE, *module]


def skewed_environment(stack: Stack, process: StackProcess, minutes: int) -> dict[str, str]:
    """Return the process's environment from its supervisor, with the skewed clock."""
    path = os.pathsep.join(filter(None, (str(REPO), str(GEN), os.environ.get("PYTHONPATH"))))
    return {
        **os.environ,
        "PYTHONPATH": path,
        STACK_MARKER: str(stack.topology.root),
        **process.environment,
        "LD_PRELOAD": str(binaries.libfaketime()),
        "FAKETIME": f"{minutes * 60:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _stop_process(process: subprocess.Popen[bytes], within_s: float) -> None:
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
