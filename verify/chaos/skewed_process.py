"""Runs `python -m verify.chaos.skewed_process MODULE ...` in a process whose clock libfaketime has changed.

libfaketime 0.9.10 mishandles sleeping until a time of the monotonic clock, which is how Python sleeps.
"""

import runpy
import select
import sys
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex, /) -> None:
    seconds = float(seconds)
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select((), (), (), seconds)


def main() -> None:
    """Remove its own name from the arguments and run the module."""
    time.sleep = _sleep
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
