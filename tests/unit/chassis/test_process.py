"""The frame of every process, around work that needs no store."""

import os
import signal
import subprocess
import sys

from ops.paths import REPO
from tests.ports import free_port
from tests.waiting import WAIT_TIMEOUT_S


def launched(**settings: str) -> "subprocess.Popen[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(REPO), str(REPO / "gen")]),
        "IC_GRPC_PORT": "1",
        "IC_OPS_PORT": str(free_port()),
        "IC_LISTEN_HOST": "127.0.0.1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.chassis.lean_process"],
        cwd=REPO,
        env=environment | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_process_without_stores_runs_without_their_libraries_until_it_is_stopped() -> None:
    process = launched()
    assert process.stdout is not None
    assert process.stdout.readline() == "started with []\n"
    while '"started"' not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGTERM)
    written, _ = process.communicate(timeout=4 * WAIT_TIMEOUT_S)
    assert process.returncode == 0
    assert written.index("stopping within 10 s") < written.index("closed") < written.index('"stopped"')


def test_what_the_settings_point_to_is_complained_about_as_a_whole_and_ends_the_process_with_2() -> None:
    process = launched(IC_TABLES="bad")
    written, _ = process.communicate(timeout=4 * WAIT_TIMEOUT_S)
    assert process.returncode == 2
    assert "tables.yaml: is bad" in written
    assert "other.yaml: is worse" in written
    assert "closed" in written
    assert "Traceback" not in written
