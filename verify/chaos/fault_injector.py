"""Injects faults into a running stack of this machine."""

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

from devstack import control_plane, elections, fault_injection, fault_proxy_process, mongo, rate_limiter
from devstack.fault_proxy.model import StoreFault
from devstack.fault_proxy.model import StoreFaultKind as FaultKind
from devstack.process import StackProcess, StartStage
from devstack.stack import Stack
from devstack.supervisor import SupervisorClient
from ops.errors import OpsError
from ops.waiting import wait_until
from verify.chaos import clock_skew, full_disk, relay_leases
from verify.chaos.fault_schedule import ChaosFaultKind, Fault, FaultTargets

STORE_DELAY_S: Final = 0.2
READY_TIMEOUT_S: Final = 60.0
POLL_INTERVAL_S: Final = 0.2
PRIMARY_PREFIX: Final = "primary-"
"""The prefix of a shard's name that stands for its primary at the time of the fault."""
_EXEMPT_PROCESSES: Final = frozenset({"epmd", "mailbox", fault_proxy_process.FAULT_PROXY_PROCESS})
"""The processes that a run itself needs: Erlang's port mapper, the mailbox, the fault proxy."""
_STORE_FAULT_KINDS: Final[Mapping[ChaosFaultKind, FaultKind]] = {
    ChaosFaultKind.DELAY: "delay",
    ChaosFaultKind.HANG: "hang",
    ChaosFaultKind.DOWN: "down",
}
_INJECTION_ERRORS: Final = (OpsError, xmlrpc.client.Error, OSError, PyMongoError)


def find_fault_targets(stack: Stack) -> FaultTargets:
    """Return the possible targets of faults.

    Stores are delayed, held and cut only on a stack with a fault proxy.
    """
    topology = stack.topology
    processes = [process.name for process in stack.processes if process.name not in _EXEMPT_PROCESSES]
    primaries = [f"{PRIMARY_PREFIX}{shard.name}" for shard in topology.shards if len(shard.ports) > 1]
    stores = [
        store for store in fault_injection.list_store_targets(topology) if store not in ("mongo", "redis")
    ]
    disturbed = [store for store in stores if store not in _EXEMPT_PROCESSES]
    in_python = (control_plane.CONTROL_PLANE_PROCESS, rate_limiter.RATE_LIMITER_PROCESS)
    services = [process.name for process in stack.in_stage(StartStage.SERVICES)]
    return {
        ChaosFaultKind.KILL: [*processes, *primaries],
        ChaosFaultKind.PAUSE: [*processes, *primaries],
        ChaosFaultKind.RESTART: [*processes, *primaries],
        ChaosFaultKind.DELAY: disturbed,
        ChaosFaultKind.HANG: disturbed,
        ChaosFaultKind.DOWN: disturbed,
        ChaosFaultKind.FULL_DISK: ["rabbit", *(f"mongo-{shard.name}" for shard in topology.shards)],
        ChaosFaultKind.SKEW: [name for name in processes if name in (*services, *in_python)],
        ChaosFaultKind.STEAL: relay_leases.list_relay_targets(topology),
    }


class FaultInjector:
    """Injects faults into the processes of one stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._topology = stack.topology
        self._supervisor = SupervisorClient(stack.topology)
        self._one_at_a_time: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._injectors: Mapping[ChaosFaultKind, Callable[[Fault], None]] = {
            ChaosFaultKind.KILL: lambda fault: self._supervisor.signal(self._supervised(fault), "KILL"),
            ChaosFaultKind.PAUSE: self._pause,
            ChaosFaultKind.RESTART: self._restart,
            ChaosFaultKind.FULL_DISK: lambda fault: full_disk.fill_disk(stack, fault.target, fault.for_s),
            ChaosFaultKind.SKEW: lambda fault: clock_skew.skew_clock(
                self._supervisor, stack, stack.find_process(fault.target), fault.minutes, fault.for_s
            ),
            ChaosFaultKind.STEAL: lambda fault: relay_leases.steal_lease(stack, fault.target, fault.for_s),
        }

    def inject(self, fault: Fault) -> str:
        """Inject a fault, and return when it is over; a stopped process comes back by itself.

        Return why it could not be injected, for instance because of an earlier fault; "" if it could.
        """
        try:
            meant = replace(fault, target=self._member(fault.target))
            with self._one_at_a_time[meant.target]:
                self._injectors.get(meant.kind, self._disturb)(meant)
        except _INJECTION_ERRORS as error:
            return str(error) or type(error).__name__
        return ""

    def wait_until_ready(self) -> list[str]:
        """Wait until all processes are ready again; return the names of those that are not after a minute."""
        waiting: list[StackProcess] = list(self._stack.processes)

        def list_waiting() -> list[StackProcess]:
            nonlocal waiting
            waiting = [process for process in waiting if not process.probe().ready]
            return waiting

        wait_until(
            list_waiting,
            timeout_s=READY_TIMEOUT_S,
            interval_s=POLL_INTERVAL_S,
            is_done=lambda left: not left,
        )
        return [process.name for process in waiting]

    def _pause(self, fault: Fault) -> None:
        pid = self._supervisor.states()[fault.target].pid
        if not pid:
            raise OpsError(f"{fault.target} does not run just now")
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(fault.for_s)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _restart(self, fault: Fault) -> None:
        self._supervisor.stop(self._supervised(fault))
        self._supervisor.start(self._supervised(fault))

    def _disturb(self, fault: Fault) -> None:
        until = time.time() + fault.for_s
        delay_s = STORE_DELAY_S if fault.kind is ChaosFaultKind.DELAY else 0.0
        store_fault = StoreFault(kind=_STORE_FAULT_KINDS[fault.kind], delay_s=delay_s, until=until)
        fault_injection.set_fault(self._topology, fault.target, store_fault)
        time.sleep(max(0.0, until - time.time()))
        fault_injection.clear_faults(self._topology, fault.target)

    def _supervised(self, fault: Fault) -> str:
        return self._stack.find_process(fault.target).supervised_name

    def _member(self, target: str) -> str:
        """Return the process of a shard's primary; any other target is a process itself."""
        if not target.startswith(PRIMARY_PREFIX):
            return target
        shard = elections.find_shard(self._topology, target.removeprefix(PRIMARY_PREFIX))
        return mongo.mongod_process_name(shard, elections.find_primary(self._topology, shard))
