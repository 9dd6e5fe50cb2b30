"""Carries strikes out on a running stack of this machine."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Final

from ops.chaos.schedule import Kind, Strike
from ops.faults.model import StoreFault
from ops.stack import fault_proxy, faults
from ops.stack.lifecycle import Stack
from ops.stack.process import Process, Stage
from ops.stack.supervisor import SupervisorClient
from ops.stack.topology import Topology

DELAY_S: Final = 0.2
READY_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.2
_SPARED: Final = frozenset({"epmd", "mailbox", fault_proxy.PROCESS})
"""What the run itself stands on: the mapper of Erlang's nodes, the witness of mails, the means of faults."""
_SAME_FAULTS: Final = {Kind.DELAY: "delay", Kind.HANG: "hang", Kind.DOWN: "down"}


def targets_of(stack: Stack) -> Mapping[Kind, Sequence[str]]:
    """What can be struck, by kind. Stores are delayed, held and cut only on a stack with a fault proxy."""
    processes = [process.name for process in stack.processes if process.name not in _SPARED]
    stores = [store for store in faults.store_targets(stack.topology) if store not in ("mongo", "redis")]
    disturbed = [store for store in stores if store not in _SPARED]
    return {
        Kind.KILL: processes,
        Kind.PAUSE: processes,
        Kind.RESTART: [name for name in processes if stack.process(name).stage is not Stage.STORES],
        Kind.DELAY: disturbed,
        Kind.HANG: disturbed,
        Kind.DOWN: disturbed,
    }


class Striker:
    """A hand on the processes of one stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._supervisor = SupervisorClient(stack.topology)

    def carry_out(self, strike: Strike) -> None:
        """Strikes, and returns when it is over; a process that is gone comes back by itself."""
        match strike.kind:
            case Kind.KILL:
                self._supervisor.signal(self._name(strike.target), "KILL")
            case Kind.PAUSE:
                self._pause(strike)
            case Kind.RESTART:
                self._supervisor.stop(self._name(strike.target))
                self._supervisor.start(self._name(strike.target))
            case _:
                self._disturb(strike)

    def await_well(self) -> list[str]:
        """Waits until everything is ready again; the names of what is not after a minute."""
        until = time.monotonic() + READY_WITHIN_S
        waiting: list[Process] = list(self._stack.processes)
        while waiting and time.monotonic() < until:
            waiting = [process for process in waiting if not process.probe().ready]
            time.sleep(LOOK_EVERY_S)
        return [process.name for process in waiting]

    def _pause(self, strike: Strike) -> None:
        pid = self._supervisor.states()[strike.target].pid
        if not pid:
            return
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(strike.for_s)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _disturb(self, strike: Strike) -> None:
        topology: Topology = self._stack.topology
        kind = _SAME_FAULTS[strike.kind]
        until = time.time() + strike.for_s
        delay_s = DELAY_S if strike.kind is Kind.DELAY else None
        fault = StoreFault.model_validate(
            {"kind": kind, "until": until} | ({"delay_s": delay_s} if delay_s else {})
        )
        faults.set_fault(topology, strike.target, fault)
        time.sleep(max(0.0, until - time.time()))
        faults.clear(topology, strike.target)

    def _name(self, process: str) -> str:
        return self._stack.process(process).supervised_name
