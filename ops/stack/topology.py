"""What one stack consists of and where it listens: one named set of ports and folders.

The stack `dev` has the documented ports; every other stack gets a free block of its own when it is
created. Both are recorded in the stack's `topology.json`, which tests read as well.
"""

import hashlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ops.errors import OpsError
from ops.paths import stacks_dir

DEFAULT_STACK: Final = "dev"
SERVICES: Final = ("auth", "user", "internship", "application", "notification", "analytics")
REDIS_NODES: Final = 3
SHARD_STRIDE: Final = 10
MAX_SHARDS: Final = 8
MEMBER_CHOICES: Final = (1, 3)
DEFAULT_SHARDS: Final = 2
DEFAULT_MEMBERS: Final = 1
LOOPBACK: Final = "127.0.0.1"
BEHIND_THE_PROXY: Final = 5
"""With faults, a store itself listens so many ports above the one that its clients know."""

FAULT_PROXY_OPS: Final = 6010

FIRST_BLOCK: Final = 20_000
LAST_BLOCK: Final = 32_000
BLOCK_SIZE: Final = 200


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServicePorts(_Frozen):
    """Where one service listens: gRPC, and an ops port for each role."""

    grpc: int
    serve_ops: int
    work_ops: int


class ProcessPorts(_Frozen):
    """Where a process of the gateway's listens: gRPC, and its ops port."""

    grpc: int
    ops: int


class RedisNode(_Frozen):
    """One node of the Redis Cluster."""

    port: int
    bus: int


class RabbitPorts(_Frozen):
    """RabbitMQ's own ports: clients, Erlang distribution, and the epmd that only this stack uses."""

    amqp: int
    dist: int
    epmd: int


class MailboxPorts(_Frozen):
    """The mailbox: SMTP in, HTTP to read."""

    smtp: int
    http: int


class Shard(_Frozen):
    """One shard: a replica set whose members listen on these ports."""

    name: str
    ports: tuple[int, ...]

    @property
    def hosts(self) -> str:
        """All members as `host:port,host:port`."""
        return ",".join(f"{LOOPBACK}:{port}" for port in self.ports)

    @property
    def uri(self) -> str:
        """How clients reach the shard; they add their own user."""
        return f"mongodb://{self.hosts}/?replicaSet={self.name}&directConnection=false"


class Topology(_Frozen):
    """One stack: its folder and every port in it."""

    name: str
    root: Path
    gateway: int
    gateway_admin: int
    control_plane: ProcessPorts
    rate_limiter: ProcessPorts
    services: dict[str, ServicePorts]
    shards: tuple[Shard, ...] = Field(min_length=1)
    redis: tuple[RedisNode, ...]
    rabbit: RabbitPorts
    mailbox: MailboxPorts
    limits_times: int = Field(default=1, ge=1)
    """How many times the usual limits clients are held to: crowds of tests are few people on one machine."""
    faults: bool = False
    """Whether a proxy stands before the stores, which can be told to delay, hold back or cut what passes."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a recorded `topology.json`."""
        return cls.model_validate_json(path.read_text())

    @model_validator(mode="before")
    @classmethod
    def _with_the_gateways_processes(cls, recorded: Any) -> Any:
        """A stack that was recorded before there were these gets the ports that a new stack would have."""
        if not isinstance(recorded, dict) or "gateway" not in recorded:
            return recorded
        is_developers = recorded.get("name") == DEFAULT_STACK
        return _gateway_processes(None if is_developers else recorded["gateway"]) | recorded

    def save(self) -> None:
        """Records this set of ports as the stack's own."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.model_dump_json(indent=2) + "\n")

    @property
    def path(self) -> Path:
        """The record of this stack."""
        return self.root / "topology.json"

    @property
    def data(self) -> Path:
        """What the stores keep."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Pid file and the like; worthless once the stack is down."""
        return self.root / "run"

    @property
    def secrets(self) -> Path:
        """Passwords and private keys, readable by their owner alone."""
        return self.root / "secrets"

    @property
    def etc(self) -> Path:
        """Generated configuration."""
        return self.root / "etc"

    @property
    def slot_map(self) -> Path:
        """Which slots live on which shard."""
        return self.etc / "slots.json"

    @property
    def mesh(self) -> Path:
        """The mesh file: services, their endpoints, the bounds of calls."""
        return self.etc / "mesh.yaml"

    @property
    def limits(self) -> Path:
        """The folder with the rate limiter's configuration."""
        return self.etc / "limits"

    @property
    def seeded_marker(self) -> Path:
        """Exists once seed data has been written."""
        return self.root / "seeded.json"

    @property
    def members(self) -> int:
        """How many members each shard's replica set has."""
        return len(self.shards[0].ports)

    @property
    def public_url(self) -> str:
        """The gateway, as a user of the API sees it."""
        return f"http://{LOOPBACK}:{self.gateway}"

    @property
    def mailbox_url(self) -> str:
        """The mailbox's page and JSON API."""
        return f"http://{LOOPBACK}:{self.mailbox.http}"

    @property
    def fault_proxy_ops(self) -> int:
        """The ops port of the proxy before the stores."""
        return FAULT_PROXY_OPS if self.name == DEFAULT_STACK else self.gateway + 80

    @property
    def store_faults(self) -> Path:
        """What the proxy before the stores does to their connections."""
        return self.run / "faults.json"

    def own_port(self, port: int) -> int:
        """Where a store itself listens whose clients know it by this port."""
        return port + BEHIND_THE_PROXY if self.faults else port

    def store_ports(self) -> Iterator[int]:
        """The ports at which clients reach the stores."""
        for shard in self.shards:
            yield from shard.ports
        for node in self.redis:
            yield node.port
        yield from (self.rabbit.amqp, self.mailbox.smtp)

    def ports(self) -> Iterator[int]:
        """Every port of the stack."""
        yield from (self.gateway, self.gateway_admin)
        for process in (self.control_plane, self.rate_limiter):
            yield from (process.grpc, process.ops)
        for service in self.services.values():
            yield from (service.grpc, service.serve_ops, service.work_ops)
        yield from self.store_ports()
        yield from (node.bus for node in self.redis)
        yield from (self.rabbit.dist, self.rabbit.epmd, self.mailbox.http)
        if self.faults:
            yield self.fault_proxy_ops
            yield from map(self.own_port, self.store_ports())


def developer_stack(root: Path, *, shards: int, members: int) -> Topology:
    """The documented ports of the stack `dev`."""
    return Topology(
        name=DEFAULT_STACK,
        root=root,
        gateway=8080,
        gateway_admin=9901,
        control_plane=_gateway_processes(None)["control_plane"],
        rate_limiter=_gateway_processes(None)["rate_limiter"],
        services={
            name: ServicePorts(grpc=5001 + i, serve_ops=6001 + i, work_ops=6101 + i)
            for i, name in enumerate(SERVICES)
        },
        shards=_shards(27101, shards, members),
        redis=tuple(RedisNode(port=7101 + i, bus=7111 + i) for i in range(REDIS_NODES)),
        rabbit=RabbitPorts(amqp=5682, dist=5692, epmd=5693),
        mailbox=MailboxPorts(smtp=1025, http=8025),
    )


def block_stack(name: str, root: Path, base: int, *, shards: int, members: int) -> Topology:
    """The ports of any other stack: offsets from the start of its block."""
    return Topology(
        name=name,
        root=root,
        gateway=base,
        gateway_admin=base + 1,
        control_plane=_gateway_processes(base)["control_plane"],
        rate_limiter=_gateway_processes(base)["rate_limiter"],
        services={
            service: ServicePorts(grpc=base + 10 + i, serve_ops=base + 20 + i, work_ops=base + 30 + i)
            for i, service in enumerate(SERVICES)
        },
        shards=_shards(base + 100, shards, members),
        redis=tuple(RedisNode(port=base + 40 + i, bus=base + 50 + i) for i in range(REDIS_NODES)),
        rabbit=RabbitPorts(amqp=base + 60, dist=base + 61, epmd=base + 62),
        mailbox=MailboxPorts(smtp=base + 70, http=base + 71),
    )


def find(name: str = DEFAULT_STACK) -> Topology:
    """The recorded stack of that name.

    Raises:
        OpsError: it was never started.
    """
    path = stacks_dir() / _checked(name) / "topology.json"
    if not path.exists():
        raise OpsError(f"there is no stack '{name}' here; start it with: ic up{_option(name)}")
    return Topology.load(path)


def find_or_create(
    name: str = DEFAULT_STACK,
    *,
    shards: int | None = None,
    members: int | None = None,
    limits_times: int = 1,
    faults: bool = False,
) -> Topology:
    """The recorded stack of that name, or a new one with ports of its own.

    Raises:
        OpsError: the stack exists with another number of shards or members, or without the faults that are
            asked for, or no block of ports is free.
    """
    root = stacks_dir() / _checked(name)
    if (root / "topology.json").exists():
        return _same_shape(Topology.load(root / "topology.json"), shards, members, faults)
    topology = _create(
        name,
        root,
        shards=DEFAULT_SHARDS if shards is None else shards,
        members=DEFAULT_MEMBERS if members is None else members,
        faults=faults,
    ).model_copy(update={"limits_times": limits_times})
    topology.save()
    return topology


def stack_names() -> list[str]:
    """The stacks recorded in this checkout."""
    return sorted(path.parent.name for path in stacks_dir().glob("*/topology.json"))


def _create(name: str, root: Path, *, shards: int, members: int, faults: bool) -> Topology:
    if members not in MEMBER_CHOICES:
        raise OpsError(f"--members takes 1 or 3, not {members}")
    if not 1 <= shards <= MAX_SHARDS:
        raise OpsError(f"--shards takes 1 to {MAX_SHARDS}, not {shards}")
    if name == DEFAULT_STACK:
        return developer_stack(root, shards=shards, members=members).model_copy(update={"faults": faults})
    for base in _candidate_blocks(root):
        topology = block_stack(name, root, base, shards=shards, members=members)
        topology = topology.model_copy(update={"faults": faults})
        if all(port_is_free(port) for port in topology.ports()):
            return topology
    raise OpsError("no block of ports is free between 20000 and 32000: remove a stack with `ic down --wipe`")


def _candidate_blocks(root: Path) -> Iterator[int]:
    """Blocks not given to another stack of this checkout; checkouts side by side begin at different ones."""
    taken = {Topology.load(stacks_dir() / name / "topology.json").gateway for name in stack_names()}
    blocks = (LAST_BLOCK - FIRST_BLOCK) // BLOCK_SIZE
    start = int.from_bytes(hashlib.sha256(str(root).encode()).digest()[:4]) % blocks
    for step in range(blocks):
        base = FIRST_BLOCK + (start + step) % blocks * BLOCK_SIZE
        if base not in taken:
            yield base


def port_is_free(port: int) -> bool:
    """Whether nothing listens on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _gateway_processes(base: int | None) -> dict[str, ProcessPorts]:
    """The ports of control plane and rate limiter: in the block from `base` on, or the documented ones."""
    grpc, ops = (5000, 6000) if base is None else (base + 10, base + 20)
    return {
        "control_plane": ProcessPorts(grpc=grpc + 9, ops=ops + 9),
        "rate_limiter": ProcessPorts(grpc=grpc + 8, ops=ops + 8),
    }


def _shards(first: int, shards: int, members: int) -> tuple[Shard, ...]:
    return tuple(
        Shard(name=f"s{i + 1}", ports=tuple(first + SHARD_STRIDE * i + m for m in range(members)))
        for i in range(shards)
    )


def _same_shape(topology: Topology, shards: int | None, members: int | None, faults: bool) -> Topology:
    for differs, found in (
        (shards not in (None, len(topology.shards)), f"with --shards {len(topology.shards)}"),
        (members not in (None, topology.members), f"with --members {topology.members}"),
        (faults and not topology.faults, "without --faults"),
    ):
        if differs:
            raise OpsError(
                f"the stack '{topology.name}' was created {found}; "
                f"remove it first: ic down{_option(topology.name)} --wipe"
            )
    return topology


def _checked(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise OpsError(f"'{name}' is no name for a stack: use small letters, digits and dashes, at most 31")
    return name


def _option(name: str) -> str:
    return "" if name == DEFAULT_STACK else f" --stack {name}"
