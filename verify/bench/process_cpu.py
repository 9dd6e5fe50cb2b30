"""The CPU time that serving processes use, each with its children."""

from collections.abc import Iterable, Mapping

import psutil

from ops.errors import OpsError
from verify.bench.samples import ProcessShare


def read_cpu_by_process(processes: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds that each of these processes has used so far, by name.

    Raises:
        OpsError: one of them has ended.
    """
    return {name: used_cpu_s([pid]) for name, pid in processes.items()}


def cpu_shares(before: Mapping[str, float], after: Mapping[str, float]) -> list[ProcessShare]:
    """Return what each process used between two readings, the largest first."""
    shares = [ProcessShare(name, used_s - before[name]) for name, used_s in after.items()]
    return sorted(shares, key=lambda share: -share.cpu_s)


def used_cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds that these processes and their children have used so far.

    Raises:
        OpsError: one of them has ended.
    """
    try:
        return sum(_process_cpu_s(each) for pid in pids for each in _process_tree(psutil.Process(pid)))
    except psutil.NoSuchProcess as error:
        raise OpsError(
            f"a serving process (pid {error.pid}) ended during the measurement; see `ic status`"
        ) from error


def _process_tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _process_cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
