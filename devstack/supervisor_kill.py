"""Kills processes inside the supervisor, which then knows that it was intended and restarts none.

supervisord itself loads this file, so it imports nothing else of the package.
"""

import signal
from typing import Any

from supervisor.options import split_namespec


class ProcessKiller:
    """The RPC namespace `ic_kills` of a stack's supervisor."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord

    def kill(self, names: list[str]) -> bool:
        """Send SIGKILL to each running `group:process`, all at once. Raises KeyError for an unknown one."""
        for process in [self._process(name) for name in names]:
            if process.pid:
                process.administrative_stop = True
                process.kill(signal.SIGKILL)
        return True

    def _process(self, name: str) -> Any:
        group, process = split_namespec(name)
        return self._supervisord.process_groups[group].processes[process]


def make_rpc_interface(supervisord: object, **_options: str) -> ProcessKiller:
    """Return the RPC interface; the supervisor's configuration names this factory."""
    return ProcessKiller(supervisord)
