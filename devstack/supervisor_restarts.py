"""Counts restarts inside the supervisor, where they happen, instead of deriving them from logs.

supervisord itself loads this file, so it imports nothing else of the package.
"""

import time
from collections import defaultdict
from typing import Any

from supervisor import events
from supervisor.states import ProcessStates

DIED_STATES = (ProcessStates.EXITED, ProcessStates.BACKOFF)
MAX_RESTART_TIMES = 20


class RestartCounter:
    """The RPC namespace `ic` of a stack's supervisor."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = defaultdict(list)
        self._counts: dict[str, int] = defaultdict(int)
        events.subscribe(events.ProcessStateStartingEvent, self._on_starting)

    def restarts(self) -> dict[str, dict[str, Any]]:
        """Return by process the number of its restarts after crashes, and their last times (Unix seconds)."""
        return {name: {"count": count, "recent": self._times[name]} for name, count in self._counts.items()}

    def _on_starting(self, event: Any) -> None:
        """Count a start after a crash; a start that was asked for is no restart."""
        if event.from_state in DIED_STATES:
            name = event.process.config.name
            self._counts[name] += 1
            self._times[name] = [*self._times[name], time.time()][-MAX_RESTART_TIMES:]


def make_rpc_interface(_supervisord: object, **_options: str) -> RestartCounter:
    """Return the RPC interface; the supervisor's configuration names this factory."""
    return RestartCounter()
