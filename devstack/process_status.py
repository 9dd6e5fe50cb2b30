"""The status of a stack: one row for each process."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import psutil

from devstack.process import ProbeResult
from devstack.stack import Stack
from devstack.supervisor import ProcessState, SupervisorClient

MAX_CONCURRENT_PROBES: Final = 32


@dataclass(frozen=True)
class ProcessStatus:
    """One process as seen from outside: its memory is the proportional share, children included."""

    name: str
    ports: dict[str, int]
    pid: int | None
    state: str
    uptime_s: float | None
    restarts: int
    memory_bytes: int
    ready: bool
    detail: str


def read_process_statuses(stack: Stack) -> list[ProcessStatus]:
    """Return the status of every process of the stack, the supervisor first."""
    client = SupervisorClient(stack.topology)
    states = client.states()
    supervised = [process for process in stack.processes if process.name in states]
    if not states:
        return []
    with ThreadPoolExecutor(max_workers=MAX_CONCURRENT_PROBES) as pool:
        answers = pool.map(lambda process: process.probe(), supervised)
        # Read while the processes answer.
        children = _children_by_parent()
        memory_bytes = [_tree_memory_bytes(states[process.name].pid, children) for process in supervised]
        supervisor = _supervisor_status(client.pid())
        return [
            supervisor,
            *(
                _process_status(states[process.name], dict(process.ports), answer, used)
                for process, answer, used in zip(supervised, answers, memory_bytes, strict=True)
            ),
        ]


def total_memory_bytes(found: Iterable[ProcessStatus]) -> int:
    """Return the memory of all of them, in bytes."""
    return sum(row.memory_bytes for row in found)


def _supervisor_status(pid: int) -> ProcessStatus:
    started = psutil.Process(pid).create_time()
    return ProcessStatus(
        name="supervisor",
        ports={},
        pid=pid,
        state="RUNNING",
        uptime_s=time.time() - started,
        restarts=0,
        memory_bytes=_process_memory_bytes(psutil.Process(pid)),
        ready=True,
        detail="",
    )


def _process_status(
    state: ProcessState, ports: dict[str, int], answer: ProbeResult, memory_bytes: int
) -> ProcessStatus:
    return ProcessStatus(
        name=state.name,
        ports=ports,
        pid=state.pid or None,
        state="CRASH LOOP" if state.is_crash_looping else state.state,
        uptime_s=time.time() - state.started_at if state.is_running else None,
        restarts=state.restarts,
        memory_bytes=memory_bytes,
        ready=answer.ready and state.is_running,
        detail=answer.detail or state.message,
    )


def _children_by_parent() -> Mapping[int, list[int]]:
    """Return the children of every process of this machine, from one look at all of them."""
    children: dict[int, list[int]] = defaultdict(list)
    for process in psutil.process_iter(["ppid"]):
        children[process.info["ppid"]].append(process.pid)
    return children


def _tree_memory_bytes(pid: int, children: Mapping[int, list[int]]) -> int:
    """Return the memory of a process and its descendants; 0 for one that does not run."""
    if not pid:
        return 0
    return _pid_memory_bytes(pid) + sum(_tree_memory_bytes(each, children) for each in children.get(pid, ()))


def _pid_memory_bytes(pid: int) -> int:
    try:
        return _process_memory_bytes(psutil.Process(pid))
    except psutil.Error:
        return 0


def _process_memory_bytes(process: psutil.Process) -> int:
    """Return the proportional set size: pages that processes share are counted once in a sum."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
