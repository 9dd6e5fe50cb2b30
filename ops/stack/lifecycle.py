"""Brings a stack up, step by step, and takes it down without leaving a process behind."""

import importlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ops import stubs
from ops.errors import OpsError
from ops.stack import (
    binaries,
    control_plane,
    credentials,
    edge,
    fault_proxy,
    leftovers,
    mongo,
    provision,
    rabbit,
    rate_limiter,
    redis_cluster,
)
from ops.stack import services as service_processes
from ops.stack.credentials import Credentials
from ops.stack.probes import port_open
from ops.stack.process import Process, Readiness, Stage
from ops.stack.region import Region
from ops.stack.steps import Steps
from ops.stack.supervisor import (
    CRASH_LOOP_RESTARTS,
    SupervisorClient,
    last_lines,
    log_path,
    socket_path,
    start_daemon,
    write_config,
)
from ops.stack.topology import Topology

READY_WITHIN_S = 240.0
DOWN_WITHIN_S = 60.0
POLL_S = 0.25
AT_A_TIME = 2
TAIL_LINES = 15


@dataclass(frozen=True)
class Stack:
    """A stack with all that is needed to run it."""

    topology: Topology
    credentials: Credentials
    processes: tuple[Process, ...]

    @classmethod
    def of(cls, topology: Topology, *, stores_only: bool = False) -> "Stack":
        """Assembles its processes."""
        secrets = Credentials.of(topology)
        processes = [
            *fault_proxy.processes(topology),
            *rabbit.processes(topology, secrets),
            *mongo.processes(topology),
            *redis_cluster.processes(topology, secrets),
            edge.mailbox(topology),
        ]
        if not stores_only:
            processes.append(control_plane.control_plane(topology))
            processes += service_processes.processes(topology, secrets)
            processes.append(rate_limiter.rate_limiter(topology, secrets))
            processes += edge.gateways(topology)
        return cls(topology, secrets, tuple(processes))

    def in_stage(self, stage: Stage) -> list[Process]:
        """The processes that start together."""
        return [process for process in self.processes if process.stage is stage]

    def services_of(self, region: Region) -> list[Process]:
        """The service processes of a region, without its gateway."""
        return [process for process in self.in_stage(Stage.SERVICES) if process.region == region.name]

    def process(self, name: str) -> Process:
        """The process of that name.

        Raises:
            OpsError: there is none; the message lists those there are.
        """
        for process in self.processes:
            if process.name == name:
                return process
        names = ", ".join(process.name for process in self.processes)
        raise OpsError(f"there is no process '{name}'; there are: {names}")


def up(topology: Topology, steps: Steps, *, stores_only: bool = False) -> Stack:
    """Brings everything up that is not up yet, and returns when all of it is ready.

    Raises:
        OpsError: something does not come up; the message holds its last log lines.
    """
    if binaries.missing_packages():
        with steps.step("system packages"):
            binaries.install_missing(steps.note)
    with steps.step("stubs"):
        stubs.build()
    stack = Stack.of(topology, stores_only=stores_only)
    with steps.step("configuration"):
        write_configuration(stack)
    client = _supervise(stack, steps)
    broker = stack.process("rabbit")
    stores = [process for process in stack.in_stage(Stage.STORES) if process is not broker]
    with steps.step("stores: MongoDB, Redis Cluster, mailbox") as detail:
        _start(client, stack.in_stage(Stage.MAPPER))
        _await(stack, client, stack.in_stage(Stage.MAPPER), detail, _ready)
        _start(client, [*stores, broker])
        _await(stack, client, stores, detail, _listening)
        provision.prepare_stores(topology, stack.credentials)
        _await(stack, client, stores, detail, _ready)
    later = [one for stage in (Stage.CONTROL, Stage.SERVICES, Stage.EDGE) for one in stack.in_stage(stage)]
    if later:
        with steps.step("collections and indexes"):
            provision.make_collections(topology, stack.credentials)
        # The broker takes longest to boot; the services can load their libraries meanwhile.
        _start(client, later)
    with steps.step("broker: RabbitMQ") as detail:
        _await(stack, client, [broker], detail, _ready)
    if later:
        with steps.step("control plane, services and gateway") as detail:
            provision.declare_queues(topology, stack.credentials)
            _await(stack, client, later, detail, _ready)
    return stack


def down(topology: Topology, *, wipe: bool = False) -> int:
    """Stops every process of the stack; returns how many there were.

    With `wipe`, its data, secrets and ports are forgotten too.
    """
    running = leftovers.of_stack(topology)
    client = SupervisorClient(topology)
    if client.is_up():
        client.shutdown()
        _await_gone(topology)
    leftovers.end(leftovers.of_stack(topology))
    socket = socket_path(topology)
    socket.unlink(missing_ok=True)
    if socket.parent != topology.run:
        shutil.rmtree(socket.parent, ignore_errors=True)
    if wipe:
        shutil.rmtree(topology.root, ignore_errors=True)
    return len(running)


def restart(stack: Stack, processes: Iterable[Process], steps: Steps) -> None:
    """Stops and starts these processes and waits until they are ready."""
    chosen = list(processes)
    stop(stack, chosen, steps)
    start(stack, chosen, steps)


def add_stores(stack: Stack, processes: Sequence[Process], prepare: Callable[[], None], steps: Steps) -> None:
    """Starts stores that a running stack did not have, prepares them and waits until they are ready."""
    client = SupervisorClient(stack.topology)
    write_config(stack.topology, stack.processes)
    client.add_groups()
    with steps.step(f"start {', '.join(process.name for process in processes)}") as detail:
        _start(client, processes)
        _await(stack, client, processes, detail, _listening)
        prepare()
        _await(stack, client, processes, detail, _ready)


def stop(stack: Stack, processes: Iterable[Process], steps: Steps) -> None:
    """Stops these processes, all at once, and waits until they have ended."""
    names = [process.supervised_name for process in processes]
    with steps.step(f"stop {len(names)} processes"), ThreadPoolExecutor(max_workers=len(names)) as pool:
        list(pool.map(SupervisorClient(stack.topology).stop, names))


def kill(stack: Stack, processes: Iterable[Process], steps: Steps) -> None:
    """Kills these processes, all at once and without a word; they stay down."""
    names = [process.supervised_name for process in processes]
    with steps.step(f"kill {len(names)} processes"):
        SupervisorClient(stack.topology).kill(names)


def start(stack: Stack, processes: Iterable[Process], steps: Steps) -> None:
    """Starts these processes and waits until they are ready."""
    client = SupervisorClient(stack.topology)
    chosen = list(processes)
    with steps.step(f"start {len(chosen)} processes") as detail:
        _start(client, chosen)
        _await(stack, client, chosen, detail, _ready)


def start_in_turn(stack: Stack, processes: Sequence[Process], steps: Steps) -> None:
    """As `start`, two at a time: on a small machine all at once would starve those that answer meanwhile."""
    client = SupervisorClient(stack.topology)
    with steps.step(f"start {len(processes)} processes") as detail:
        for first in range(0, len(processes), AT_A_TIME):
            some = processes[first : first + AT_A_TIME]
            _start(client, some)
            _await(stack, client, some, detail, _ready)


def write_configuration(stack: Stack) -> None:
    """Writes every file that a process of the stack reads."""
    topology, secrets = stack.topology, stack.credentials
    for folder in (topology.etc, topology.data, topology.logs, topology.run):
        folder.mkdir(parents=True, exist_ok=True)
    credentials.ensure_service_keys(topology, [*topology.services, credentials.OPERATOR])
    mongo.write_config(topology, secrets)
    redis_cluster.write_config(topology, secrets)
    rabbit.write_config(topology, secrets)
    fault_proxy.write_config(topology)
    control_plane.write_config(topology)
    rate_limiter.write_limits(topology)
    importlib.import_module("ops.stack.edge_config").write_config(topology)
    write_config(topology, stack.processes)


def _supervise(stack: Stack, steps: Steps) -> SupervisorClient:
    """A supervisor that has the present configuration; a running one takes over what changed."""
    client = SupervisorClient(stack.topology)
    if client.is_up():
        changed = client.apply_config()
        if changed:
            steps.note(f"configuration changed, starting anew: {', '.join(changed)}")
        return client
    with steps.step("supervisor"):
        leftovers.end(leftovers.of_stack(stack.topology))
        _refuse_taken_ports(stack)
        start_daemon(stack.topology)
    return client


def _refuse_taken_ports(stack: Stack) -> None:
    ports = [port for process in stack.processes for port in process.ports.values()]
    strangers = leftovers.strangers_on(ports)
    if strangers:
        lines = "\n".join(f"  {port}: {who}" for port, who in strangers.items())
        raise OpsError(
            f"ports of the stack '{stack.topology.name}' are taken by others:\n{lines}\n"
            "stop them, or start a stack with ports of its own: ic up --stack NAME"
        )


def _start(client: SupervisorClient, processes: Iterable[Process]) -> None:
    states = client.states()
    for process in processes:
        if not states[process.name].running:
            client.start(process.supervised_name)


def _ready(process: Process) -> Readiness:
    return process.probe()


def _listening(process: Process) -> Readiness:
    """Ready to be prepared: a store cannot be ready for clients before that."""
    closed = [answer for port in process.ports.values() if not (answer := port_open(port)).ready]
    return closed[0] if closed else Readiness(True)


def _await(
    stack: Stack,
    client: SupervisorClient,
    processes: Iterable[Process],
    detail: Callable[[str], None],
    ask: Callable[[Process], Readiness],
) -> None:
    pending = {process.name: process for process in processes}
    answers: dict[str, Readiness] = {}
    restarts_before = {name: state.restarts for name, state in client.states().items()}
    deadline = time.monotonic() + READY_WITHIN_S
    with ThreadPoolExecutor(max_workers=8) as pool:
        while pending:
            answers = dict(zip(pending, pool.map(ask, pending.values()), strict=True))
            pending = {name: process for name, process in pending.items() if not answers[name].ready}
            _refuse_crash_loops(stack, client, pending, restarts_before)
            if pending and time.monotonic() > deadline:
                _give_up(stack, pending, answers)
            if pending:
                detail(f"waiting for {', '.join(pending)}")
                time.sleep(POLL_S)


def _refuse_crash_loops(
    stack: Stack, client: SupervisorClient, pending: Iterable[str], restarts_before: Mapping[str, int]
) -> None:
    states = client.states()
    for name in pending:
        died = states[name].restarts - restarts_before[name]
        if died >= CRASH_LOOP_RESTARTS or states[name].given_up:
            raise OpsError(f"{name} does not stay up. {_last_words(stack.topology, name)}")


def _give_up(stack: Stack, pending: Iterable[str], answers: dict[str, Readiness]) -> None:
    reasons = "\n".join(f"  {name}: {answers[name].detail}" for name in pending)
    first = next(iter(pending))
    raise OpsError(
        f"not ready after {READY_WITHIN_S:.0f} s:\n{reasons}\n{_last_words(stack.topology, first)}"
    )


def _last_words(topology: Topology, name: str) -> str:
    path = log_path(topology, name)
    said = "\n".join(last_lines(path, TAIL_LINES))
    return f"The last lines of {path}:\n{said or '(none)'}"


def _await_gone(topology: Topology) -> None:
    deadline = time.monotonic() + DOWN_WITHIN_S
    while leftovers.of_stack(topology) and time.monotonic() < deadline:
        time.sleep(0.1)


def must_run(topology: Topology) -> None:
    """Raises OpsError unless the stack's supervisor answers."""
    if not SupervisorClient(topology).is_up():
        raise OpsError(
            f"the stack '{topology.name}' is not running; start it with: ic up --stack {topology.name}"
        )
