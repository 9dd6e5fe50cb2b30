"""The parts of a stack and their addresses: one named set of ports and folders.

The stack `dev` has the documented ports; every other stack gets a free block of its own when it is created.
Both are recorded in the stack's `topology.json`, which tests read as well.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, model_validator

from devstack.free_ports import is_port_free
from devstack.paths import stacks_dir
from devstack.region import REGION_CHOICES, ServicePorts, StackRegion, block_regions, documented_regions
from devstack.topology_parts import (
    LOOPBACK,
    MAX_SHARDS,
    REDUNDANT_MEMBERS,
    BrokerPorts,
    FrozenRecord,
    MailboxPorts,
    ObserverPorts,
    ProcessPorts,
    RabbitPorts,
    RedisPorts,
    StackShape,
    StackShard,
    control_process_ports,
    further_brokers,
    initial_shards,
    next_shard_ports,
    redis_nodes,
)
from ops.errors import OpsError
from ops.options import DEFAULT_STACK
from ops.service_names import SERVICES

__all__ = [
    "LOOPBACK",
    "StackShard",
    "Topology",
    "find_or_create_stack",
    "find_stack",
    "stack_names",
]

MEMBER_CHOICES: Final = (1, 3)
PROXIED_PORT_OFFSET: Final = 5
"""With faults, the offset of a store's own port from the one that its clients know."""

FAULT_PROXY_OPS_PORT: Final = 6010

MIN_BLOCK_PORT: Final = 20_000
MAX_BLOCK_PORT: Final = 32_000
BLOCK_PORTS: Final = 200


class Topology(FrozenRecord):
    """One stack: its folder and every port in it."""

    name: str
    root: Path
    regions: tuple[StackRegion, ...] = Field(min_length=1)
    control_plane: ProcessPorts
    rate_limiter: ProcessPorts
    shards: tuple[StackShard, ...] = Field(min_length=1)
    redis: tuple[RedisPorts, ...]
    rabbit: RabbitPorts
    further_brokers: tuple[BrokerPorts, ...] = ()
    mailbox: MailboxPorts
    limits_times: int = Field(default=1, ge=1)
    """The factor of the usual rate limits: crowds in tests are few people on one machine."""
    tls: bool = False
    """Whether the gateways accept TLS only."""
    faults: bool = False
    """Whether a proxy is in front of the stores, which can delay, hold back or cut their traffic."""
    observe: bool = False
    """Whether Prometheus, Alertmanager, trace store and log store run, and the broker exports metrics."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a recorded `topology.json`."""
        return cls.model_validate_json(path.read_text())

    @model_validator(mode="before")
    @classmethod
    def _as_recorded_now(cls, recorded: Any) -> Any:
        """Add the parts that an older recorded stack lacks, as a new stack would have them."""
        if not isinstance(recorded, dict):
            return recorded
        found = dict(recorded)
        if "gateway" in found:
            found["regions"] = [{key: found.pop(key) for key in ("gateway", "gateway_admin", "services")}]
        if "control_plane" in found and "rate_limiter" in found:
            return found
        is_developers = found.get("name") == DEFAULT_STACK
        return control_process_ports(None if is_developers else found["regions"][0]["gateway"]) | found

    def save(self) -> None:
        """Record the stack's ports."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.model_dump_json(indent=2) + "\n")

    @property
    def gateway(self) -> int:
        """The port of the first region's gateway."""
        return self.regions[0].gateway

    @property
    def gateway_admin(self) -> int:
        """The port of its administration."""
        return self.regions[0].gateway_admin

    @property
    def services(self) -> dict[str, ServicePorts]:
        """The services in the first region, by name."""
        return self.regions[0].services

    def find_region(self, name: str) -> StackRegion:
        """Return the region of that name. Raises OpsError, which lists the regions, when there is none."""
        for region in self.regions:
            if region.name == name:
                return region
        names = ", ".join(region.name for region in self.regions)
        raise OpsError(f"the stack '{self.name}' has no region '{name}'; it has: {names}")

    @property
    def path(self) -> Path:
        """The record of this stack."""
        return self.root / "topology.json"

    @property
    def data_folder(self) -> Path:
        """The stores' data."""
        return self.root / "data"

    @property
    def blobs_folder(self) -> Path:
        """The files that people have uploaded."""
        return self.data_folder / "blobs"

    @property
    def logs_folder(self) -> Path:
        """The log files, one for each process."""
        return self.root / "logs"

    @property
    def run_folder(self) -> Path:
        """Pid file and the like, without use once the stack is down."""
        return self.root / "run"

    @property
    def secrets_folder(self) -> Path:
        """Passwords and private keys, which only their owner can read."""
        return self.root / "secrets"

    @property
    def etc_folder(self) -> Path:
        """Generated configuration."""
        return self.root / "etc"

    @property
    def slot_map_file(self) -> Path:
        """The first slot map."""
        return self.etc_folder / "slots.json"

    @property
    def mesh_file(self) -> Path:
        """The mesh file: services, their endpoints, the bounds of calls."""
        return self.etc_folder / "mesh.yaml"

    @property
    def limits_folder(self) -> Path:
        """The folder with the rate limiter's configuration."""
        return self.etc_folder / "limits"

    @property
    def seeded_marker(self) -> Path:
        """The file that exists once seed data has been written."""
        return self.root / "seeded.json"

    @property
    def prepared_stores_file(self) -> Path:
        """The record of what the stores were prepared with."""
        return self.data_folder / "prepared-stores.json"

    @property
    def seed_times_file(self) -> Path:
        """The file with the time when each number was first seeded, to which its data is relative."""
        return self.root / "seed-times.json"

    @property
    def shape(self) -> StackShape:
        """The shape that it was made with."""
        made = [shard for shard in self.shards if not shard.added]
        return StackShape(
            shards=len(made),
            members=len(made[0].ports),
            regions=len(self.regions),
            redundant=bool(self.further_brokers),
        )

    @property
    def brokers(self) -> tuple[BrokerPorts, ...]:
        """All nodes of RabbitMQ."""
        return (BrokerPorts(amqp=self.rabbit.amqp, dist=self.rabbit.dist), *self.further_brokers)

    @property
    def public_url(self) -> str:
        """The first region's gateway, as API clients reach it."""
        return self.region_url(self.regions[0])

    def region_url(self, region: StackRegion) -> str:
        """Return the URL of a region's gateway."""
        return f"{'https' if self.tls else 'http'}://{LOOPBACK}:{region.gateway}"

    @property
    def mailbox_url(self) -> str:
        """The mailbox's page and JSON API."""
        return f"http://{LOOPBACK}:{self.mailbox.http}"

    @property
    def fault_proxy_ops(self) -> int:
        """The ops port of the proxy before the stores."""
        return FAULT_PROXY_OPS_PORT if self.name == DEFAULT_STACK else self.gateway + 190

    @property
    def observers(self) -> ObserverPorts:
        """The ports of those that observe the stack."""
        return ObserverPorts.of_stack(None if self.name == DEFAULT_STACK else self.gateway + 191)

    @property
    def store_faults_file(self) -> Path:
        """The file of the stores' faults, which the proxy follows."""
        return self.run_folder / "faults.json"

    def listen_port(self, port: int) -> int:
        """Return the port of a store itself, by the one that its clients know."""
        return port + PROXIED_PORT_OFFSET if self.faults else port

    def find_shard(self, name: str) -> StackShard | None:
        """Return the shard of that name; None when there is none."""
        return next((shard for shard in self.shards if shard.name == name), None)

    def with_shard(self, name: str, address: str = "") -> Self:
        """Return this stack with one more shard: the servers at `address`, or local members as in others.

        A stack that has a shard of that name is returned as it is.

        Raises:
            OpsError: there are no ports for more shards.
        """
        if self.find_shard(name):
            return self
        ports = () if address else next_shard_ports(self.shards)
        added = StackShard(name=name, ports=ports, added=True, address=address)
        return self.model_copy(update={"shards": (*self.shards, added)})

    def with_address(self, name: str, address: str) -> Self:
        """Return this stack with a shard that clients reach at another address."""
        shards = tuple(shard.with_address(address) if shard.name == name else shard for shard in self.shards)
        return self.model_copy(update={"shards": shards})

    def store_ports(self) -> Iterator[int]:
        """Return the ports at which clients reach the stores."""
        for shard in self.shards:
            yield from shard.ports
        for node in self.redis:
            yield node.port
        yield from (broker.amqp for broker in self.brokers)
        yield self.mailbox.smtp

    def ports(self) -> Iterator[int]:
        """Yield every port of the stack."""
        for region in self.regions:
            yield from region.ports()
        for process in (self.control_plane, self.rate_limiter):
            yield from (process.grpc, process.ops)
        yield from self.store_ports()
        yield from (node.bus for node in self.redis)
        yield from (broker.dist for broker in self.brokers)
        yield from (self.rabbit.epmd, self.mailbox.http)
        if self.faults:
            yield self.fault_proxy_ops
            yield from map(self.listen_port, self.store_ports())
        if self.observe:
            yield from self.observers.all()


def documented_stack(root: Path, shape: StackShape) -> Topology:
    """Return the documented ports of the stack `dev`."""
    return Topology(
        name=DEFAULT_STACK,
        root=root,
        regions=documented_regions(shape.regions, SERVICES),
        control_plane=control_process_ports(None)["control_plane"],
        rate_limiter=control_process_ports(None)["rate_limiter"],
        shards=initial_shards(27101, shape),
        redis=redis_nodes(7101, 7111, shape),
        rabbit=RabbitPorts(amqp=5682, dist=5692, epmd=5693),
        further_brokers=further_brokers(5683, 5694, shape),
        mailbox=MailboxPorts(smtp=1025, http=8025),
    )


def block_stack(name: str, root: Path, base: int, shape: StackShape) -> Topology:
    """Return the ports of another stack: offsets from the start of its block."""
    return Topology(
        name=name,
        root=root,
        regions=block_regions(base, shape.regions, SERVICES),
        control_plane=control_process_ports(base)["control_plane"],
        rate_limiter=control_process_ports(base)["rate_limiter"],
        shards=initial_shards(base + 100, shape),
        redis=redis_nodes(base + 40, base + 50, shape),
        rabbit=RabbitPorts(amqp=base + 60, dist=base + 61, epmd=base + 62),
        further_brokers=further_brokers(base + 63, base + 65, shape),
        mailbox=MailboxPorts(smtp=base + 70, http=base + 71),
    )


def find_stack(name: str = DEFAULT_STACK) -> Topology:
    """Return the recorded stack of that name.

    Raises:
        OpsError: it was never started.
    """
    path = stacks_dir() / _require_stack_name(name) / "topology.json"
    if not path.exists():
        raise OpsError(f"there is no stack '{name}' here; start it with: ic up{_stack_option(name)}")
    return Topology.load(path)


def find_or_create_stack(
    name: str = DEFAULT_STACK,
    *,
    shards: int | None = None,
    members: int | None = None,
    regions: int | None = None,
    tls: bool | None = None,
    limits_times: int = 1,
    faults: bool = False,
    redundant: bool = False,
    observe: bool | None = None,
) -> Topology:
    """Return the recorded stack of that name, or a new one with ports of its own.

    `tls` and `observe` are set from now on; None leaves them as they are.

    Raises:
        OpsError: the stack exists with another number of shards, members or regions, or without the faults or
            the redundancy that are asked for, or no block of ports is free.
    """
    root = stacks_dir() / _require_stack_name(name)
    asked = {"shards": shards, "members": members, "regions": regions, "redundant": redundant or None}
    if redundant:
        asked["members"] = _require_redundant_members(members, faults=faults)
    asked_for = {part: count for part, count in asked.items() if count is not None}
    if (root / "topology.json").exists():
        found = Topology.load(root / "topology.json")
        _require_same_shape(found, asked_for, faults=faults)
    else:
        found = _create_stack(name, root, StackShape.model_validate(asked_for), faults=faults)
        found = found.model_copy(update={"limits_times": limits_times})
    switched = {"tls": tls, "observe": observe}
    topology = found.model_copy(update={name: on for name, on in switched.items() if on is not None})
    topology.save()
    return topology


def stack_names() -> list[str]:
    """Return the stacks recorded in this checkout."""
    return sorted(path.parent.name for path in stacks_dir().glob("*/topology.json"))


def _create_stack(name: str, root: Path, shape: StackShape, *, faults: bool) -> Topology:
    if shape.members not in MEMBER_CHOICES:
        raise OpsError(f"--members takes 1 or 3, not {shape.members}")
    if shape.regions not in REGION_CHOICES:
        raise OpsError(f"--regions takes 1 or 2, not {shape.regions}")
    if not 1 <= shape.shards <= MAX_SHARDS:
        raise OpsError(f"--shards takes 1 to {MAX_SHARDS}, not {shape.shards}")
    if name == DEFAULT_STACK:
        return documented_stack(root, shape).model_copy(update={"faults": faults})
    for base in _candidate_blocks(root):
        topology = block_stack(name, root, base, shape).model_copy(update={"faults": faults})
        if all(is_port_free(port) for port in topology.ports()):
            return topology
    raise OpsError("no block of ports is free between 20000 and 32000: remove a stack with `ic down --wipe`")


def _require_redundant_members(members: int | None, *, faults: bool) -> int:
    """Return the members of a redundant stack's shards. Raises OpsError for options that contradict it."""
    if members not in (None, REDUNDANT_MEMBERS):
        raise OpsError(
            f"--redundant gives each shard {REDUNDANT_MEMBERS} members: leave out --members {members}"
        )
    if faults:
        raise OpsError("the proxy of --faults knows single stores only: leave out --redundant or --faults")
    return REDUNDANT_MEMBERS


def _candidate_blocks(root: Path) -> Iterator[int]:
    """Yield blocks that no other stack of this checkout has; different checkouts begin at different ones."""
    taken = {Topology.load(stacks_dir() / name / "topology.json").gateway for name in stack_names()}
    blocks = (MAX_BLOCK_PORT - MIN_BLOCK_PORT) // BLOCK_PORTS
    start = int.from_bytes(hashlib.sha256(str(root).encode()).digest()[:4]) % blocks
    for step in range(blocks):
        base = MIN_BLOCK_PORT + (start + step) % blocks * BLOCK_PORTS
        if base not in taken:
            yield base


def _require_same_shape(topology: Topology, asked_for: Mapping[str, int], *, faults: bool) -> None:
    differences = [
        "without --redundant" if part == "redundant" else f"with --{part} {count}"
        for part, count in topology.shape.model_dump().items()
        if asked_for.get(part, count) != count
    ]
    if faults and not topology.faults:
        differences.append("without --faults")
    for found in differences:
        raise OpsError(
            f"the stack '{topology.name}' was created {found}; "
            f"remove it first: ic down{_stack_option(topology.name)} --wipe"
        )


def _require_stack_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise OpsError(f"'{name}' is no name for a stack: use small letters, digits and dashes, at most 31")
    return name


def _stack_option(name: str) -> str:
    return "" if name == DEFAULT_STACK else f" --stack {name}"
