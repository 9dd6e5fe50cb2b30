"""The measurement of a roll-out in its short form: real processes, and every node ends with new endpoints."""

import os
import subprocess
import sys

from ops.paths import REPO

ENDPOINTS, NODES = 300, 20


def test_every_node_has_a_part_of_the_new_endpoints_after_a_roll_out() -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(REPO / "load-tests" / "control_plane_scale.py"),
            *("--endpoints", str(ENDPOINTS), "--nodes", str(NODES), "--seconds", "2"),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": f"{REPO / 'gen'}:{REPO}"},
    )
    assert done.returncode == 0, done.stderr
    figures = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert figures["endpoints_per_node"] == "[100, 100]"
    assert figures["lists"] == "1"
    assert float(figures["responses_per_node"]) < 40
