"""Brings a stack up, step by step, and takes it down without leaving a process behind."""

import importlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from devstack import (
    binaries,
    control_plane,
    credentials,
    edge,
    fault_proxy_process,
    foreign_port_owners,
    mongo,
    rabbit,
    rate_limiter,
    redis_cluster,
    stubs,
)
from devstack import services as service_processes
from devstack.credentials import Credentials
from devstack.probes import probe_port
from devstack.process import ProbeResult, StackProcess, StartStage
from devstack.region import StackRegion
from devstack.supervisor import (
    CRASH_LOOP_RESTARTS,
    SupervisorClient,
    log_path,
    read_last_lines,
    socket_path,
    start_supervisor,
    write_supervisor_config,
)
from devstack.topology import Topology
from ops import provision
from ops.errors import OpsError
from ops.progress import StepProgress

READY_TIMEOUT_S = 240.0
DOWN_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.25
MAX_CONCURRENT_STARTS = 2
TAIL_LINES = 15


@dataclass(frozen=True)
class Stack:
    """A stack with all that is needed to run it."""

    topology: Topology
    credentials: Credentials
    processes: tuple[StackProcess, ...]

    @classmethod
    def of(cls, topology: Topology, *, stores_only: bool = False) -> "Stack":
        """Assembles its processes."""
        secrets = Credentials.of(topology)
        processes = [
            *fault_proxy_process.fault_proxy_processes(topology),
            *rabbit.rabbit_processes(topology, secrets),
            *mongo.mongod_processes(topology),
            *redis_cluster.redis_processes(topology, secrets),
            edge.mailbox_process(topology),
        ]
        if not stores_only:
            processes.append(control_plane.control_plane_process(topology))
            processes += service_processes.service_processes(topology, secrets)
            processes.append(rate_limiter.rate_limiter_process(topology, secrets))
            processes += edge.gateway_processes(topology)
        return cls(topology, secrets, tuple(processes))

    def in_stage(self, stage: StartStage) -> list[StackProcess]:
        """The processes that start together."""
        return [process for process in self.processes if process.stage is stage]

    def services_of(self, region: StackRegion) -> list[StackProcess]:
        """The service processes of a region, without its gateway."""
        return [process for process in self.in_stage(StartStage.SERVICES) if process.region == region.name]

    def process(self, name: str) -> StackProcess:
        """The process of that name.

        Raises:
            OpsError: there is none; the message lists those there are.
        """
        for process in self.processes:
            if process.name == name:
                return process
        names = ", ".join(process.name for process in self.processes)
        raise OpsError(f"there is no process '{name}'; there are: {names}")


def start_stack(topology: Topology, steps: StepProgress, *, stores_only: bool = False) -> Stack:
    """Brings everything up that is not up yet, and returns when all of it is ready.

    Raises:
        OpsError: something does not come up; the message holds its last log lines.
    """
    if binaries.missing_packages():
        with steps.step("system packages"):
            binaries.install_missing_packages(steps.note)
    with steps.step("stubs"):
        stubs.build_generated_stubs()
    stack = Stack.of(topology, stores_only=stores_only)
    with steps.step("configuration"):
        write_configuration(stack)
    client = _ensure_supervisor(stack, steps)
    broker = stack.process("rabbit")
    stores = [process for process in stack.in_stage(StartStage.STORES) if process is not broker]
    with steps.step("stores: MongoDB, Redis Cluster, mailbox") as detail:
        _start_each(client, stack.in_stage(StartStage.MAPPER))
        _wait_for_processes(stack, client, stack.in_stage(StartStage.MAPPER), detail, _probe_process)
        _start_each(client, [*stores, broker])
        _wait_for_processes(stack, client, stores, detail, _probe_ports)
        provision.prepare_stores(topology, stack.credentials)
        _wait_for_processes(stack, client, stores, detail, _probe_process)
    later = [
        one
        for stage in (StartStage.CONTROL, StartStage.SERVICES, StartStage.EDGE)
        for one in stack.in_stage(stage)
    ]
    if later:
        with steps.step("collections and indexes"):
            provision.provision_collections(topology, stack.credentials)
        # The broker takes longest to boot; the services can load their libraries meanwhile.
        _start_each(client, later)
    with steps.step("broker: RabbitMQ") as detail:
        _wait_for_processes(stack, client, [broker], detail, _probe_process)
    if later:
        with steps.step("control plane, services and gateway") as detail:
            provision.declare_queues(topology, stack.credentials)
            _wait_for_processes(stack, client, later, detail, _probe_process)
    return stack


def stop_stack(topology: Topology, *, wipe: bool = False) -> int:
    """Stops every process of the stack; returns how many there were.

    With `wipe`, its data, secrets and ports are forgotten too.
    """
    running = foreign_port_owners.find_stack_processes(topology)
    client = SupervisorClient(topology)
    if client.is_up():
        client.shutdown()
        _wait_until_gone(topology)
    foreign_port_owners.terminate_processes(foreign_port_owners.find_stack_processes(topology))
    socket = socket_path(topology)
    socket.unlink(missing_ok=True)
    if socket.parent != topology.run:
        shutil.rmtree(socket.parent, ignore_errors=True)
    if wipe:
        shutil.rmtree(topology.root, ignore_errors=True)
    return len(running)


def restart_processes(stack: Stack, processes: Iterable[StackProcess], steps: StepProgress) -> None:
    """Stops and starts these processes and waits until they are ready."""
    chosen = list(processes)
    stop_processes(stack, chosen, steps)
    start_processes(stack, chosen, steps)


def add_stores(
    stack: Stack, processes: Sequence[StackProcess], prepare: Callable[[], None], steps: StepProgress
) -> None:
    """Starts stores that a running stack did not have, prepares them and waits until they are ready."""
    client = SupervisorClient(stack.topology)
    write_supervisor_config(stack.topology, stack.processes)
    client.add_groups()
    with steps.step(f"start {', '.join(process.name for process in processes)}") as detail:
        _start_each(client, processes)
        _wait_for_processes(stack, client, processes, detail, _probe_ports)
        prepare()
        _wait_for_processes(stack, client, processes, detail, _probe_process)


def stop_processes(stack: Stack, processes: Iterable[StackProcess], steps: StepProgress) -> None:
    """Stops these processes, all at once, and waits until they have ended."""
    names = [process.supervised_name for process in processes]
    with steps.step(f"stop {len(names)} processes"), ThreadPoolExecutor(max_workers=len(names)) as pool:
        list(pool.map(SupervisorClient(stack.topology).stop, names))


def kill_processes(stack: Stack, processes: Iterable[StackProcess], steps: StepProgress) -> None:
    """Kills these processes, all at once and without a word; they stay down."""
    names = [process.supervised_name for process in processes]
    with steps.step(f"kill {len(names)} processes"):
        SupervisorClient(stack.topology).kill(names)


def start_processes(stack: Stack, processes: Iterable[StackProcess], steps: StepProgress) -> None:
    """Starts these processes and waits until they are ready."""
    client = SupervisorClient(stack.topology)
    chosen = list(processes)
    with steps.step(f"start {len(chosen)} processes") as detail:
        _start_each(client, chosen)
        _wait_for_processes(stack, client, chosen, detail, _probe_process)


def start_processes_in_turn(stack: Stack, processes: Sequence[StackProcess], steps: StepProgress) -> None:
    """As `start`, two at a time: on a small machine all at once would starve those that answer meanwhile."""
    client = SupervisorClient(stack.topology)
    with steps.step(f"start {len(processes)} processes") as detail:
        for first in range(0, len(processes), MAX_CONCURRENT_STARTS):
            some = processes[first : first + MAX_CONCURRENT_STARTS]
            _start_each(client, some)
            _wait_for_processes(stack, client, some, detail, _probe_process)


def write_configuration(stack: Stack) -> None:
    """Writes every file that a process of the stack reads."""
    topology, secrets = stack.topology, stack.credentials
    for folder in (topology.etc, topology.data, topology.logs, topology.run):
        folder.mkdir(parents=True, exist_ok=True)
    credentials.ensure_service_keys(topology, [*topology.services, credentials.OPERATOR_SERVICE])
    mongo.write_mongod_files(topology, secrets)
    redis_cluster.write_redis_files(topology, secrets)
    rabbit.write_rabbit_files(topology, secrets)
    fault_proxy_process.reset_store_faults(topology)
    control_plane.write_mesh_files(topology)
    rate_limiter.write_rate_limits(topology)
    importlib.import_module("devstack.edge_config").write_gateway_files(topology)
    write_supervisor_config(topology, stack.processes)


def _ensure_supervisor(stack: Stack, steps: StepProgress) -> SupervisorClient:
    """A supervisor that has the present configuration; a running one takes over what changed."""
    client = SupervisorClient(stack.topology)
    if client.is_up():
        changed = client.apply_config()
        if changed:
            steps.note(f"configuration changed, starting anew: {', '.join(changed)}")
        return client
    with steps.step("supervisor"):
        foreign_port_owners.terminate_processes(foreign_port_owners.find_stack_processes(stack.topology))
        _require_free_ports(stack)
        start_supervisor(stack.topology)
    return client


def _require_free_ports(stack: Stack) -> None:
    ports = [port for process in stack.processes for port in process.ports.values()]
    strangers = foreign_port_owners.find_foreign_port_owners(ports)
    if strangers:
        lines = "\n".join(f"  {port}: {who}" for port, who in strangers.items())
        raise OpsError(
            f"ports of the stack '{stack.topology.name}' are taken by others:\n{lines}\n"
            "stop them, or start a stack with ports of its own: ic up --stack NAME"
        )


def _start_each(client: SupervisorClient, processes: Iterable[StackProcess]) -> None:
    states = client.states()
    for process in processes:
        if not states[process.name].running:
            client.start(process.supervised_name)


def _probe_process(process: StackProcess) -> ProbeResult:
    return process.probe()


def _probe_ports(process: StackProcess) -> ProbeResult:
    """Ready to be prepared: a store cannot be ready for clients before that."""
    closed = [answer for port in process.ports.values() if not (answer := probe_port(port)).ready]
    return closed[0] if closed else ProbeResult(True)


def _wait_for_processes(
    stack: Stack,
    client: SupervisorClient,
    processes: Iterable[StackProcess],
    detail: Callable[[str], None],
    ask: Callable[[StackProcess], ProbeResult],
) -> None:
    pending = {process.name: process for process in processes}
    answers: dict[str, ProbeResult] = {}
    restarts_before = {name: state.restarts for name, state in client.states().items()}
    deadline = time.monotonic() + READY_TIMEOUT_S
    with ThreadPoolExecutor(max_workers=8) as pool:
        while pending:
            answers = dict(zip(pending, pool.map(ask, pending.values()), strict=True))
            pending = {name: process for name, process in pending.items() if not answers[name].ready}
            _require_no_crash_loops(stack, client, pending, restarts_before)
            if pending and time.monotonic() > deadline:
                _raise_not_ready(stack, pending, answers)
            if pending:
                detail(f"waiting for {', '.join(pending)}")
                time.sleep(POLL_INTERVAL_S)


def _require_no_crash_loops(
    stack: Stack, client: SupervisorClient, pending: Iterable[str], restarts_before: Mapping[str, int]
) -> None:
    states = client.states()
    for name in pending:
        died = states[name].restarts - restarts_before[name]
        if died >= CRASH_LOOP_RESTARTS or states[name].given_up:
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


def _wait_until_gone(topology: Topology) -> None:
    deadline = time.monotonic() + DOWN_TIMEOUT_S
    while foreign_port_owners.find_stack_processes(topology) and time.monotonic() < deadline:
        time.sleep(0.1)


def require_running(topology: Topology) -> None:
    """Raises OpsError unless the stack's supervisor answers."""
    if not SupervisorClient(topology).is_up():
        raise OpsError(
            f"the stack '{topology.name}' is not running; start it with: ic up --stack {topology.name}"
        )
