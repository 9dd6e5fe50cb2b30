"""Pausing processes of the stack that are not part of a measurement."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def pause_processes(pids: Sequence[int]) -> Iterator[None]:
    """Pause the processes until the block ends; they then handle what has arrived."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
