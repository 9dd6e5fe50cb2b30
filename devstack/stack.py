"""A stack to run: its record, its secrets and its processes."""

from dataclasses import dataclass

from devstack import (
    control_plane,
    edge,
    fault_proxy_process,
    mongo,
    observers,
    rabbit,
    rate_limiter,
    redis_cluster,
)
from devstack import services as service_processes
from devstack.credentials import Credentials
from devstack.process import StackProcess, StartStage
from devstack.region import StackRegion
from devstack.topology import Topology
from ops.errors import OpsError


@dataclass(frozen=True)
class Stack:
    """A stack with its record, its secrets and its processes."""

    topology: Topology
    credentials: Credentials
    processes: tuple[StackProcess, ...]

    @classmethod
    def assemble(cls, topology: Topology, *, stores_only: bool = False) -> "Stack":
        """Return the stack with its processes."""
        secrets = Credentials.load_or_create(topology)
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
            processes += observers.observer_processes(topology)
        return cls(topology, secrets, tuple(processes))

    def in_stage(self, stage: StartStage) -> list[StackProcess]:
        """Return the processes that start together."""
        return [process for process in self.processes if process.stage is stage]

    def services_of(self, region: StackRegion) -> list[StackProcess]:
        """Return the service processes of a region, without its gateway."""
        return [process for process in self.in_stage(StartStage.SERVICES) if process.region == region.name]

    def find_process(self, name: str) -> StackProcess:
        """Return the process of that name.

        Raises:
            OpsError: there is none; the message lists the names.
        """
        for process in self.processes:
            if process.name == name:
                return process
        names = ", ".join(process.name for process in self.processes)
        raise OpsError(f"there is no process '{name}'; there are: {names}")
