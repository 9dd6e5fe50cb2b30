"""Watches the processes that are under fire: none may start again, none may grow without bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psutil

from ops.service_names import SERVICES
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import WAIT_TIMEOUT_S

MEGABYTE: Final = 1024 * 1024
MAX_GROWTH_BYTES: Final = 250 * MEGABYTE
"""What caches, pools and allocators may take on top of what a warm process has."""


def request_processes(stack: StackHandle) -> tuple[str, ...]:
    """Return the processes that handle requests or their effects."""
    services = (f"{service}-{role}" for service in SERVICES for role in ("serve", "work"))
    return ("envoy", "control-plane", "rate-limiter", *services)


@dataclass(frozen=True)
class ProcessSnapshot:
    """For each process: its ID, its number of restarts, its memory in bytes."""

    pids: Mapping[str, int]
    restarts: Mapping[str, int]
    memory: Mapping[str, int]

    @classmethod
    def of(cls, stack: StackHandle) -> "ProcessSnapshot":
        """Return the present state."""
        states = {name: stack.state(name) for name in request_processes(stack)}
        return cls(
            {name: state.pid for name, state in states.items()},
            {name: state.restarts for name, state in states.items()},
            {name: psutil.Process(state.pid).memory_info().rss for name, state in states.items()},
        )

    def grown(self, later: "ProcessSnapshot") -> dict[str, int]:
        """Return by how many bytes each process has grown."""
        return {name: later.memory[name] - self.memory[name] for name in self.memory}


def assert_processes_survived(
    stack: StackHandle, before: ProcessSnapshot, may_grow_bytes: int = MAX_GROWTH_BYTES
) -> None:
    """Raise AssertionError when a process has died since, is not ready, or has grown too much."""
    after = ProcessSnapshot.of(stack)
    assert (after.pids, after.restarts) == (before.pids, before.restarts), "a process was started again"
    for name in request_processes(stack):
        wait_until_blocking(
            lambda name=name: stack.readiness(name).ready,  # type: ignore[misc]
            f"{name} to be ready",
            within_s=WAIT_TIMEOUT_S,
        )
    grown = {
        name: f"{size // MEGABYTE} MiB" for name, size in before.grown(after).items() if size > may_grow_bytes
    }
    assert not grown, f"these processes have grown by more than {may_grow_bytes // MEGABYTE} MiB: {grown}"
