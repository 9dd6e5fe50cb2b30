"""What a stack is doing now: one row for each process."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil

from ops.stack.lifecycle import Stack
from ops.stack.process import Readiness
from ops.stack.supervisor import ProcessState, SupervisorClient


@dataclass(frozen=True)
class Row:
    """One process, seen from outside: memory is its proportional share, children included."""

    name: str
    ports: dict[str, int]
    pid: int | None
    state: str
    uptime_s: float | None
    restarts: int
    memory_bytes: int
    ready: bool
    detail: str


def rows(stack: Stack) -> list[Row]:
    """Every process of the stack, the supervisor first."""
    client = SupervisorClient(stack.topology)
    states = client.states()
    supervised = [process for process in stack.processes if process.name in states]
    if not states:
        return []
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda process: process.probe(), supervised))
    return [
        _supervisor_row(client.pid()),
        *(
            _row(states[process.name], dict(process.ports), answer)
            for process, answer in zip(supervised, answers, strict=True)
        ),
    ]


def total_memory(found: Iterable[Row]) -> int:
    """All of them together, in bytes."""
    return sum(row.memory_bytes for row in found)


def _supervisor_row(pid: int) -> Row:
    started = psutil.Process(pid).create_time()
    return Row(
        name="supervisor",
        ports={},
        pid=pid,
        state="RUNNING",
        uptime_s=time.time() - started,
        restarts=0,
        memory_bytes=_own_memory(psutil.Process(pid)),
        ready=True,
        detail="",
    )


def _row(state: ProcessState, ports: dict[str, int], answer: Readiness) -> Row:
    return Row(
        name=state.name,
        ports=ports,
        pid=state.pid or None,
        state="CRASH LOOP" if state.crash_looping else state.state,
        uptime_s=time.time() - state.started_at if state.running else None,
        restarts=state.restarts,
        memory_bytes=_memory(state.pid) if state.pid else 0,
        ready=answer.ready and state.running,
        detail=answer.detail or state.message,
    )


def _memory(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(_own_memory(member) for member in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0


def _own_memory(process: psutil.Process) -> int:
    """The proportional set size: pages that processes share are counted once in a sum."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
