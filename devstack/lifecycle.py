"""Starts a stack, step by step, and stops it without leaving a process behind."""

import importlib
import shutil

from devstack import (
    binaries,
    control_plane,
    fault_proxy_process,
    foreign_port_owners,
    mongo,
    observers,
    rabbit,
    rate_limiter,
    redis_cluster,
    service_keys,
    stubs,
)
from devstack.local_cluster import LocalCluster
from devstack.prepared_stores import PreparedStores
from devstack.process import StackProcess, StartStage
from devstack.process_control import probe_ports, probe_process, start_each, wait_for_processes
from devstack.stack import Stack
from devstack.supervisor import (
    SupervisorClient,
    socket_path,
    start_supervisor,
    write_supervisor_config,
)
from devstack.toolbox.tools import install_log_store
from devstack.topology import Topology
from ops import provision
from ops.errors import OpsError
from ops.progress import StepProgress
from ops.service_names import OPERATOR_SERVICE
from ops.shards import users
from ops.waiting import wait_until

DOWN_TIMEOUT_S = 60.0
BROKER_TIMEOUT_S = 120.0


def start_stack(topology: Topology, steps: StepProgress, *, stores_only: bool = False) -> Stack:
    """Start everything that does not run yet, and return when all of it is ready.

    Raises:
        OpsError: a process does not start; the message holds its last log lines.
    """
    stack = start_without_broker(topology, steps, stores_only=stores_only)
    finish_broker(stack, steps)
    return stack


def start_without_broker(topology: Topology, steps: StepProgress, *, stores_only: bool = False) -> Stack:
    """Start everything as `start_stack` does, and return when all but the broker is ready.

    The broker takes longest to boot, and nobody waits for it: until it is there, events wait in the outboxes.
    """
    observe = topology.observe and not stores_only
    if binaries.missing_packages(observe=observe):
        with steps.step("system packages"):
            binaries.install_missing_packages(steps.note, observe=observe)
    if observe:
        install_log_store()
    with steps.step("stubs"):
        stubs.build_generated_stubs()
    stack = Stack.assemble(topology, stores_only=stores_only)
    cluster = LocalCluster(topology, stack.credentials)
    prepared = PreparedStores(topology, stack.credentials)
    with steps.step("configuration"):
        _write_store_files(stack)
    client = _ensure_supervisor(stack, steps)
    brokers = rabbit.find_brokers(stack.in_stage(StartStage.STORES))
    stores = [process for process in stack.in_stage(StartStage.STORES) if process not in brokers]
    with steps.step("stores: MongoDB, Redis Cluster, mailbox") as detail:
        start_each(client, stack.in_stage(StartStage.MAPPER))
        wait_for_processes(stack, client, stack.in_stage(StartStage.MAPPER), detail, probe_process)
        first_brokers = brokers if rabbit.is_formed(topology) else brokers[:1]
        # Where the queues are there already, the broker boots last: it takes a core for seconds.
        start_each(client, stores if prepared.have_queues() else [*stores, *first_brokers])
        # The gateway's libraries take a second to load, in which the stores start.
        _write_service_files(stack)
        wait_for_processes(stack, client, stores, detail, probe_ports)
        cluster.prepare_stores()
        if not prepared.have_collections():
            users.ensure_service_users(cluster)
        wait_for_processes(stack, client, stores, detail, probe_process)
    if later := _after_stores(stack):
        if not prepared.have_collections():
            with steps.step("collections and indexes"):
                provision.provision_collections(cluster)
                prepared.record_collections()
        with steps.step("control plane, services and gateway") as detail:
            start_each(client, later)
            wait_for_processes(stack, client, later, detail, probe_process)
    start_each(client, first_brokers)
    if watching := stack.in_stage(StartStage.OBSERVERS):
        # Last, so that they see no start of the others as an outage.
        with steps.step("Prometheus, Alertmanager and log store") as detail:
            start_each(client, watching)
            wait_for_processes(stack, client, watching, detail, probe_process)
    return stack


def finish_broker(stack: Stack, steps: StepProgress) -> None:
    """Wait until the broker is ready, and declare the services' queues on it."""
    with steps.step("broker: RabbitMQ") as detail:
        client = SupervisorClient(stack.topology)
        brokers = rabbit.find_brokers(stack.in_stage(StartStage.STORES))
        for some in (brokers[:1], brokers[1:]):
            # A new node joins the first one, which has to be there.
            start_each(client, some)
            wait_for_processes(stack, client, some, detail, probe_process)
        prepared = PreparedStores(stack.topology, stack.credentials)
        if _after_stores(stack) and not prepared.have_queues():
            provision.declare_queues(LocalCluster(stack.topology, stack.credentials))
            rabbit.grow_queues(brokers)
            prepared.record_queues()


def finish_new_broker(stack: Stack, steps: StepProgress) -> None:
    """Finish the broker as `finish_broker` does, but let one that has all queues already boot by itself."""
    brokers = rabbit.find_brokers(stack.in_stage(StartStage.STORES))
    has_booted = all(broker.probe().ready for broker in brokers)
    if PreparedStores(stack.topology, stack.credentials).have_queues() and not has_booted:
        steps.note("RabbitMQ is still starting: until it is ready, events wait in the outboxes")
    else:
        finish_broker(stack, steps)


def wait_for_workers(stack: Stack) -> bool:
    """Wait while the broker is starting, as workers then handle no events; return whether they do now."""

    def lack_broker() -> bool:
        answers = [process.probe() for process in stack.in_stage(StartStage.SERVICES)]
        return any(answer.ready and "broker" in answer.detail for answer in answers)

    return not wait_until(
        lack_broker, timeout_s=BROKER_TIMEOUT_S, interval_s=0.5, is_done=lambda lacking: not lacking
    )


def stop_stack(topology: Topology, *, wipe: bool = False) -> int:
    """Stop every process of the stack; return their number.

    With `wipe`, its data, secrets and ports are deleted as well.
    """
    running = foreign_port_owners.find_stack_processes(topology)
    client = SupervisorClient(topology)
    if client.is_up():
        client.shutdown()
        _wait_until_gone(topology)
    foreign_port_owners.terminate_processes(foreign_port_owners.find_stack_processes(topology))
    socket = socket_path(topology)
    socket.unlink(missing_ok=True)
    if socket.parent != topology.run_folder:
        shutil.rmtree(socket.parent, ignore_errors=True)
    if wipe:
        shutil.rmtree(topology.root, ignore_errors=True)
    return len(running)


def _write_store_files(stack: Stack) -> None:
    topology, secrets = stack.topology, stack.credentials
    for folder in (topology.etc_folder, topology.data_folder, topology.logs_folder, topology.run_folder):
        folder.mkdir(parents=True, exist_ok=True)
    mongo.write_mongod_files(topology, secrets)
    redis_cluster.write_redis_files(topology, secrets)
    rabbit.write_rabbit_files(topology, secrets)
    fault_proxy_process.reset_store_faults(topology)
    write_supervisor_config(topology, stack.processes)


def _write_service_files(stack: Stack) -> None:
    topology = stack.topology
    service_keys.ensure_service_keys(topology, [*topology.services, OPERATOR_SERVICE])
    control_plane.write_mesh_files(topology)
    rate_limiter.write_rate_limits(topology)
    observers.write_observer_files(topology, stack.processes)
    importlib.import_module("devstack.edge_config").write_gateway_files(topology)


def _after_stores(stack: Stack) -> list[StackProcess]:
    stages = (StartStage.CONTROL, StartStage.SERVICES, StartStage.EDGE)
    return [process for stage in stages for process in stack.in_stage(stage)]


def _ensure_supervisor(stack: Stack, steps: StepProgress) -> SupervisorClient:
    """Return a supervisor with the present configuration; a running one reloads what has changed."""
    client = SupervisorClient(stack.topology)
    if client.is_up():
        changed = client.apply_config()
        if changed:
            steps.note(f"configuration changed, restarting: {', '.join(changed)}")
        observers.reload_observers(stack.processes, client)
        _restart_broker_without_metrics(stack, client, steps)
        return client
    with steps.step("supervisor"):
        foreign_port_owners.terminate_processes(foreign_port_owners.find_stack_processes(stack.topology))
        _require_free_ports(stack)
        start_supervisor(stack.topology)
    return client


def _restart_broker_without_metrics(stack: Stack, client: SupervisorClient, steps: StepProgress) -> None:
    """Stop a broker that was started before its metrics were asked for; it is started again soon."""
    broker = stack.find_process(rabbit.BROKER_PROCESS)
    if rabbit.lacks_metrics(stack.topology):
        steps.note("restarting the broker, which exports no metrics yet")
        client.stop(broker.supervised_name)


def _require_free_ports(stack: Stack) -> None:
    ports = [port for process in stack.processes for port in process.ports.values()]
    owners = foreign_port_owners.find_foreign_port_owners(ports)
    if owners:
        lines = "\n".join(f"  {port}: {who}" for port, who in owners.items())
        raise OpsError(
            f"ports of the stack '{stack.topology.name}' are taken by others:\n{lines}\n"
            "stop them, or start a stack with ports of its own: ic up --stack NAME"
        )


def _wait_until_gone(topology: Topology) -> None:
    wait_until(
        lambda: not foreign_port_owners.find_stack_processes(topology),
        timeout_s=DOWN_TIMEOUT_S,
        interval_s=0.1,
    )
