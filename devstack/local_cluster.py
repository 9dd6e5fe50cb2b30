"""The local stack as a cluster for the operator's tools."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

from chassis.sharding.slot_map import SlotMap
from devstack import mongo, observers, process_control, redis_cluster, services, topology
from devstack.credentials import Credentials, service_key_path
from devstack.stack import Stack
from devstack.supervisor import SupervisorClient, require_running
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK, StackShard
from ops.cluster import AdminLogin, ClusterShard
from ops.errors import OpsError
from ops.options import DEFAULT_STACK
from ops.progress import StepProgress
from ops.service_names import OPERATOR_SERVICE, SERVICES

WATCHDOG_LOG = "fence-watchdog.log"


def open_local_cluster(name: str = "") -> "LocalCluster":
    """Return the recorded stack of that name, by default `dev`. Raises OpsError when it was never started."""
    return LocalCluster.load(topology.find_stack(name or DEFAULT_STACK))


@dataclass(frozen=True)
class LocalCluster:
    """One local stack; see `ops.cluster.Cluster`."""

    topology: Topology
    credentials: Credentials

    @classmethod
    def load(cls, topology: Topology) -> Self:
        """Return the cluster with the stack's recorded secrets."""
        return cls(topology, Credentials.load_or_create(topology))

    def __str__(self) -> str:
        return f"the stack '{self.name}'"

    @property
    def name(self) -> str:
        """The stack's name."""
        return self.topology.name

    @property
    def reference(self) -> str:
        """`local:NAME`."""
        return f"local:{self.name}"

    @property
    def status_hint(self) -> str:
        """The command that shows the stack's processes."""
        return "see `ic status`"

    @property
    def shards(self) -> tuple[ClusterShard, ...]:
        """The recorded shards; those without an address of their own are the stack's servers."""
        return tuple(
            ClusterShard(shard.name, shard.uri, is_managed=not shard.address)
            for shard in self.topology.shards
        )

    @property
    def admin_login(self) -> AdminLogin:
        """The user that `prepare_stores` makes."""
        return AdminLogin(mongo.ADMIN_USER, self.credentials.mongo_admin_password)

    @property
    def amqp_url(self) -> str:
        """The stack's broker, with the services' user."""
        return self.credentials.amqp_url(self.topology)

    @property
    def tls_folder(self) -> Path | None:
        """None: calls among local processes are plain."""
        return None

    @property
    def store_tls(self) -> None:
        """None: the stores listen on the loopback interface, without TLS."""

    @property
    def control_plane(self) -> str:
        """The gRPC port of the stack's control plane."""
        return f"{LOOPBACK}:{self.topology.control_plane.grpc}"

    @property
    def prometheus_url(self) -> str:
        """The stack's own Prometheus; OpsError when it was started without one."""
        if not self.topology.observe:
            option = "" if self.name == DEFAULT_STACK else f" --stack {self.name}"
            raise OpsError(
                f"{self} has no Prometheus; start one (ic up --observe{option}) or give --prometheus"
            )
        return observers.observer_urls(self.topology)[observers.PROMETHEUS_PROCESS]

    @property
    def services(self) -> tuple[str, ...]:
        """All of them."""
        return SERVICES

    def service_address(self, service: str) -> str:
        """Return the address of the service in the first region."""
        if service not in self.topology.services:
            raise OpsError(f"{self} has no service '{service}'; there are {', '.join(self.services)}")
        return f"{LOOPBACK}:{self.topology.services[service].grpc}"

    def service_mongo_password(self, service: str) -> str:
        """Return the recorded password."""
        return self.credentials.services[service].mongo_password

    def service_environment(self, service: str) -> Mapping[str, str]:
        """Return the environment of the first region's process."""
        return services.service_environment(self.topology, self.credentials, service, "serve")

    def operator_key(self) -> Path:
        """Return the key that `ic up` makes. Raises OpsError for a stack that is older than such keys."""
        path = service_key_path(self.topology, OPERATOR_SERVICE)
        if not path.exists():
            raise OpsError(f"{self} has no key for operators yet; run `ic up` once more")
        return path

    def first_slot_map(self) -> SlotMap:
        """Return the map of the file that the stack's services start with."""
        return SlotMap.load(self.topology.slot_map_file)

    def require_running(self) -> None:
        """Raise OpsError unless the stack's supervisor answers."""
        require_running(self.topology)

    def prepare_stores(self) -> None:
        """Make replica sets and one Redis Cluster of servers that have just started."""
        mongo.prepare_shards(self.topology, self.credentials)
        redis_cluster.prepare_redis_cluster(self.topology, self.credentials)

    def holder_name(self, holder: str) -> str:
        """Return the process of the stack that has the holder's pid."""
        pid = holder.partition(":")[2].partition(":")[0]
        if not pid.isdigit():
            return holder
        states = SupervisorClient(self.topology).states().items()
        return next((name for name, state in states if state.pid == int(pid)), holder)

    def watchdog_log(self) -> Path | None:
        """Return a file beside the logs of the stack's processes."""
        return self.topology.logs_folder / WATCHDOG_LOG

    def with_shard(self, name: str, uri: str = "") -> Self:
        """Return the stack with one more shard. Raises OpsError when it has no ports for more."""
        if self.topology.faults and not uri:
            raise OpsError("a stack that was made with --faults keeps its shards: its proxy knows no others")
        return replace(self, topology=self.topology.with_shard(name, uri))

    def with_shard_uri(self, name: str, uri: str) -> Self:
        """Return the stack with a shard at another address."""
        return replace(self, topology=self.topology.with_address(name, uri))

    def save(self) -> None:
        """Record the stack's shards."""
        self.topology.save()

    def start_shard(self, name: str, progress: StepProgress) -> None:
        """Start a shard's servers under the stack's supervisor, and make a replica set of them."""
        shard = next(shard for shard in self.topology.shards if shard.name == name)
        if not shard.ports:
            return
        mongo.write_mongod_files(self.topology, self.credentials)
        prepare = partial(mongo.prepare_shards, self.topology, self.credentials)
        stack = Stack.assemble(self.topology)
        members = [stack.find_process(process) for process in _member_names(shard)]
        process_control.add_stores(stack, members, prepare, progress)

    def save_slot_map(self, slot_map: SlotMap) -> None:
        """Write the file that the stack's services start with."""
        self.topology.slot_map_file.write_text(json.dumps(slot_map.to_document(), indent=2))


def _member_names(shard: StackShard) -> list[str]:
    return [mongo.mongod_process_name(shard, member) for member in range(len(shard.ports))]
