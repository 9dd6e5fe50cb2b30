"""Starts, stops and kills processes of a running stack, and waits until they are ready."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from devstack.probes import probe_port
from devstack.process import ProbeResult, StackProcess
from devstack.stack import Stack
from devstack.supervisor import (
    CRASH_LOOP_RESTARTS,
    SupervisorClient,
    log_path,
    read_last_lines,
    write_supervisor_config,
)
from devstack.topology import Topology
from ops.errors import OpsError
from ops.progress import StepProgress
from ops.waiting import wait_until

READY_TIMEOUT_S = 240.0
POLL_INTERVAL_S = 0.1
MAX_CONCURRENT_STARTS = 2
TAIL_LINES = 15


def restart_processes(stack: Stack, processes: Iterable[StackProcess], steps: StepProgress) -> None:
    """Stop and start these processes and wait until they are ready."""
    chosen = list(processes)
    stop_processes(stack, chosen, steps)
    start_processes(stack, chosen, steps)


def add_stores(
    stack: Stack, processes: Sequence[StackProcess], prepare: Callable[[], None], steps: StepProgress
) -> None:
    """Start stores that are new in a running stack, prepare them and wait until they are ready."""
    client = SupervisorClient(stack.topology)
    write_supervisor_config(stack.topology, stack.processes)
    client.add_groups()
    with steps.step(f"start {', '.join(process.name for process in processes)}") as detail:
        start_each(client, processes)
        wait_for_processes(stack, client, processes, detail, probe_ports)
        prepare()
        wait_for_processes(stack, client, processes, detail, probe_process)


def stop_processes(stack: Stack, processes: Iterable[StackProcess], steps: StepProgress) -> None:
    """Stop these processes, all at once, and wait until they have ended."""
    names = [process.supervised_name for process in processes]
    with steps.step(f"stop {len(names)} processes"), ThreadPoolExecutor(max_workers=len(names)) as pool:
        list(pool.map(SupervisorClient(stack.topology).stop, names))


def kill_processes(stack: Stack, processes: Iterable[StackProcess], steps: StepProgress) -> None:
    """Kill these processes, all at once by SIGKILL; they stay down."""
    names = [process.supervised_name for process in processes]
    with steps.step(f"kill {len(names)} processes"):
        SupervisorClient(stack.topology).kill(names)


def start_processes(stack: Stack, processes: Iterable[StackProcess], steps: StepProgress) -> None:
    """Start these processes and wait until they are ready."""
    client = SupervisorClient(stack.topology)
    chosen = list(processes)
    with steps.step(f"start {len(chosen)} processes") as detail:
        start_each(client, chosen)
        wait_for_processes(stack, client, chosen, detail, probe_process)


def start_processes_in_turn(stack: Stack, processes: Sequence[StackProcess], steps: StepProgress) -> None:
    """Start as `start_processes` does, two at a time: all at once would starve the running ones."""
    client = SupervisorClient(stack.topology)
    with steps.step(f"start {len(processes)} processes") as detail:
        for first in range(0, len(processes), MAX_CONCURRENT_STARTS):
            some = processes[first : first + MAX_CONCURRENT_STARTS]
            start_each(client, some)
            wait_for_processes(stack, client, some, detail, probe_process)


def start_each(client: SupervisorClient, processes: Iterable[StackProcess]) -> None:
    states = client.states()
    for process in processes:
        if not states[process.name].is_running:
            client.start(process.supervised_name)


def probe_process(process: StackProcess) -> ProbeResult:
    return process.probe()


def probe_ports(process: StackProcess) -> ProbeResult:
    """Probe whether a store can be prepared: it is not ready for clients before that."""
    closed = [answer for port in process.ports.values() if not (answer := probe_port(port)).ready]
    return closed[0] if closed else ProbeResult(True)


def wait_for_processes(
    stack: Stack,
    client: SupervisorClient,
    processes: Iterable[StackProcess],
    detail: Callable[[str], None],
    ask: Callable[[StackProcess], ProbeResult],
) -> None:
    pending = {process.name: process for process in processes}
    answers: dict[str, ProbeResult] = {}
    restarts_before = {name: state.restarts for name, state in client.states().items()}
    with ThreadPoolExecutor(max_workers=8) as pool:

        def find_pending() -> dict[str, StackProcess]:
            nonlocal pending, answers
            answers = dict(zip(pending, pool.map(ask, pending.values()), strict=True))
            pending = {name: process for name, process in pending.items() if not answers[name].ready}
            _require_no_crash_loops(stack, client, pending, restarts_before)
            if pending:
                detail(f"waiting for {', '.join(pending)}")
            return pending

        wait_until(
            find_pending,
            timeout_s=READY_TIMEOUT_S,
            interval_s=POLL_INTERVAL_S,
            is_done=lambda left: not left,
        )
    if pending:
        _raise_not_ready(stack, pending, answers)


def _require_no_crash_loops(
    stack: Stack, client: SupervisorClient, pending: Iterable[str], restarts_before: Mapping[str, int]
) -> None:
    states = client.states()
    for name in pending:
        died = states[name].restarts - restarts_before[name]
        if died >= CRASH_LOOP_RESTARTS or states[name].has_given_up:
            raise OpsError(f"{name} does not stay up. {_quote_last_log_lines(stack.topology, name)}")


def _raise_not_ready(stack: Stack, pending: Iterable[str], answers: dict[str, ProbeResult]) -> None:
    reasons = "\n".join(f"  {name}: {answers[name].detail}" for name in pending)
    first = next(iter(pending))
    raise OpsError(
        f"not ready after {READY_TIMEOUT_S:.0f} s:\n{reasons}\n{_quote_last_log_lines(stack.topology, first)}"
    )


def _quote_last_log_lines(topology: Topology, name: str) -> str:
    path = log_path(topology, name)
    said = "\n".join(read_last_lines(path, TAIL_LINES))
    return f"The last lines of {path}:\n{said or '(none)'}"
