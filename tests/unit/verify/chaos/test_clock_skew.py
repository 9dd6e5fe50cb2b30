"""A process with a wrong clock is started as its supervisor would, but for the clock."""

import os
import subprocess
import sys
import time

import pytest

from devstack import binaries
from ops.errors import OpsError
from verify.chaos.clock_skew import skewed_command


def test_the_runner_stands_between_python_and_the_module() -> None:
    usual = (sys.executable, "-m", "services.user", "serve")
    assert skewed_command(usual) == [
        sys.executable,
        "-m",
        "verify.chaos.skewed_process",
        "services.user",
        "serve",
    ]


def test_what_is_no_python_module_has_no_wrong_clock() -> None:
    with pytest.raises(ValueError, match="no Python module"):
        skewed_command(("/usr/bin/redis-server", "redis.conf"))


def test_wall_clocks_are_off_and_what_measures_and_sleeps_is_right() -> None:
    try:
        library = binaries.libfaketime()
    except OpsError as missing:
        pytest.skip(str(missing))
    faked = {"LD_PRELOAD": str(library), "FAKETIME": "-180s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    told = subprocess.run(
        [sys.executable, "-m", "verify.chaos.skewed_process", "tests.unit.verify.chaos.sleeper"],
        env={**os.environ, **faked},
        check=True,
        capture_output=True,
        text=True,
    )
    wall, slept = map(float, told.stdout.split())
    assert abs(time.time() - 180 - wall) < 30
    assert 0.2 <= slept < 90, "a wrong wall clock does not lengthen what is measured"
