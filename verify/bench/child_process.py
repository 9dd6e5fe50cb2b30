"""Runs one function in a Python process of its own, which shares no interpreter with the measurement.

`multiprocessing` is unsuitable: its fresh processes run the command's script once more before anything else.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar, cast

from ops.errors import OpsError
from ops.paths import GEN, REPO

P = ParamSpec("P")
T = TypeVar("T")

MAX_RUNTIME_S: Final = 600.0


def run_in_child_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of `function`, which must be importable by its name, from a child process.

    Raises:
        OpsError: it failed or took longer than ten minutes; its output is on stderr.
    """
    job = pickle.dumps((function, args, kwargs))
    try:
        done = subprocess.run(
            module_command(__name__),
            input=job,
            stdout=subprocess.PIPE,
            check=True,
            timeout=MAX_RUNTIME_S,
            env=checkout_environment(),
        )
    except subprocess.SubprocessError as error:
        raise OpsError(f"the measurement by {function.__module__} ended early: {error}") from error
    return cast(T, pickle.loads(done.stdout))  # noqa: S301 - our own child's answer


def module_command(module: str) -> list[str]:
    """Return the command that runs a module of this checkout."""
    return [sys.executable, "-m", module]


def checkout_environment() -> dict[str, str]:
    """Return this process's environment, with the packages and the stubs to import from."""
    path = os.pathsep.join(filter(None, (str(REPO), str(GEN), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


def main() -> None:
    """Read a job from stdin, and write its result to stdout."""
    function, args, kwargs = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent's job
    sys.stdout.buffer.write(pickle.dumps(function(*args, **kwargs)))


if __name__ == "__main__":
    main()
