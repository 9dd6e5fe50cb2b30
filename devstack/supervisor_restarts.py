"""Counts restarts inside the supervisor, where they happen: nothing is derived from logs afterwards.

Loaded by supervisord itself, so this file imports nothing else of the package.
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
        """By process: how often it died and was started again, and when that last happened (Unix seconds)."""
        return {name: {"count": count, "recent": self._times[name]} for name, count in self._counts.items()}

    def _on_starting(self, event: Any) -> None:
        """Count a start after a crash; a start that was asked for is no restart."""
        if event.from_state in DIED_STATES:
            name = event.process.config.name
            self._counts[name] += 1
            self._times[name] = [*self._times[name], time.time()][-MAX_RESTART_TIMES:]


def make_rpc_interface(_supervisord: object, **_options: str) -> RestartCounter:
    """Return what the supervisor's configuration names as factory."""
    return RestartCounter()
