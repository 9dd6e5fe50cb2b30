"""Carries strikes out on a running stack of this machine."""

import os
import signal
import threading
import time
import xmlrpc.client
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from pymongo.errors import PyMongoError

from ops.chaos import clocks, disks, relays
from ops.chaos.schedule import Kind, Strike, Targets
from ops.errors import OpsError
from ops.faults.model import Kind as FaultKind
from ops.faults.model import StoreFault
from ops.stack import control_plane, elections, fault_proxy, faults, mongo, rate_limiter
from ops.stack.lifecycle import Stack
from ops.stack.process import Process, Stage
from ops.stack.supervisor import SupervisorClient

DELAY_S: Final = 0.2
READY_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.2
PRIMARY: Final = "primary-"
"""Before a shard's name: whichever member is its primary when it is struck."""
_SPARED: Final = frozenset({"epmd", "mailbox", fault_proxy.PROCESS})
"""What the run itself stands on: the mapper of Erlang's nodes, the witness of mails, the means of faults."""
_SAME_FAULTS: Final[Mapping[Kind, FaultKind]] = {Kind.DELAY: "delay", Kind.HANG: "hang", Kind.DOWN: "down"}
_MEANS_FAIL: Final = (OpsError, xmlrpc.client.Error, OSError, PyMongoError)


def targets_of(stack: Stack) -> Targets:
    """What can be struck. Stores are delayed, held and cut only on a stack with a fault proxy."""
    topology = stack.topology
    processes = [process.name for process in stack.processes if process.name not in _SPARED]
    primaries = [f"{PRIMARY}{shard.name}" for shard in topology.shards if len(shard.ports) > 1]
    stores = [store for store in faults.store_targets(topology) if store not in ("mongo", "redis")]
    disturbed = [store for store in stores if store not in _SPARED]
    in_python = (control_plane.PROCESS, rate_limiter.PROCESS)
    services = [process.name for process in stack.in_stage(Stage.SERVICES)]
    return {
        Kind.KILL: [*processes, *primaries],
        Kind.PAUSE: [*processes, *primaries],
        Kind.RESTART: [*processes, *primaries],
        Kind.DELAY: disturbed,
        Kind.HANG: disturbed,
        Kind.DOWN: disturbed,
        Kind.FULL_DISK: ["rabbit", *(f"mongo-{shard.name}" for shard in topology.shards)],
        Kind.SKEW: [name for name in processes if name in (*services, *in_python)],
        Kind.STEAL: relays.targets(topology),
    }


class Striker:
    """A hand on the processes of one stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._topology = stack.topology
        self._supervisor = SupervisorClient(stack.topology)
        self._one_at_a_time: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._deeds: Mapping[Kind, Callable[[Strike], None]] = {
            Kind.KILL: lambda strike: self._supervisor.signal(self._supervised(strike), "KILL"),
            Kind.PAUSE: self._pause,
            Kind.RESTART: self._restart,
            Kind.FULL_DISK: lambda strike: disks.fill(stack, strike.target, strike.for_s),
            Kind.SKEW: lambda strike: clocks.skew(
                self._supervisor, stack, stack.process(strike.target), strike.minutes, strike.for_s
            ),
            Kind.STEAL: lambda strike: relays.steal(stack, strike.target, strike.for_s),
        }

    def carry_out(self, strike: Strike) -> str:
        """Strikes, and returns when it is over; a process that is gone comes back by itself.

        Says why when it could not be done, for instance because another strike was there before.
        """
        try:
            meant = replace(strike, target=self._member(strike.target))
            with self._one_at_a_time[meant.target]:
                self._deeds.get(meant.kind, self._disturb)(meant)
        except _MEANS_FAIL as error:
            return str(error) or type(error).__name__
        return ""

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
            raise OpsError(f"{strike.target} does not run just now")
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(strike.for_s)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _restart(self, strike: Strike) -> None:
        self._supervisor.stop(self._supervised(strike))
        self._supervisor.start(self._supervised(strike))

    def _disturb(self, strike: Strike) -> None:
        until = time.time() + strike.for_s
        delay_s = DELAY_S if strike.kind is Kind.DELAY else 0.0
        fault = StoreFault(kind=_SAME_FAULTS[strike.kind], delay_s=delay_s, until=until)
        faults.set_fault(self._topology, strike.target, fault)
        time.sleep(max(0.0, until - time.time()))
        faults.clear(self._topology, strike.target)

    def _supervised(self, strike: Strike) -> str:
        return self._stack.process(strike.target).supervised_name

    def _member(self, target: str) -> str:
        """The process that is meant by a shard's primary; any other target is what it says."""
        if not target.startswith(PRIMARY):
            return target
        shard = elections.shard_called(self._topology, target.removeprefix(PRIMARY))
        return mongo.member_name(shard, elections.primary_of(self._topology, shard))
