"""Parts of a stack's record: its shape, its shards, and the ports of other stores and processes."""

from collections.abc import Iterator, Sequence
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

from ops.errors import OpsError

LOOPBACK: Final = "127.0.0.1"
SHARD_STRIDE: Final = 10
MAX_SHARDS: Final = 8
REDIS_MASTERS: Final = 3
REDUNDANT_MEMBERS: Final = 3
REDUNDANT_BROKERS: Final = 3


class FrozenRecord(BaseModel):
    """An immutable record of a stack that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StackShape(FrozenRecord):
    """The shape that a stack is made with and keeps: shards, the members of each, regions.

    With `redundant`, each Redis node has a replica, and there are three brokers.
    """

    shards: int = 2
    members: int = 1
    regions: int = 1
    redundant: bool = False


class ProcessPorts(FrozenRecord):
    """The ports of one of the gateway's processes: gRPC, and its ops port."""

    grpc: int
    ops: int


class RedisPorts(FrozenRecord):
    """One node of the Redis Cluster."""

    port: int
    bus: int


class RabbitPorts(FrozenRecord):
    """RabbitMQ's own ports: clients, Erlang distribution, and the stack's own epmd."""

    amqp: int
    dist: int
    epmd: int


class BrokerPorts(FrozenRecord):
    """One node of RabbitMQ: clients, and Erlang distribution; all nodes of a stack share its epmd."""

    amqp: int
    dist: int


class MailboxPorts(FrozenRecord):
    """The mailbox: SMTP in, HTTP to read."""

    smtp: int
    http: int


class ObserverPorts(FrozenRecord):
    """Prometheus, Alertmanager, the broker's metrics, the trace store and the log store."""

    prometheus: int
    alertmanager: int
    rabbit: int
    otlp: int
    traces: int
    logs: int

    @classmethod
    def of_stack(cls, first: int | None) -> Self:
        """Return the ports from `first` on, or for None the documented ones."""
        ports = (9090, 9093, 15692, 4317, 16686, 9200) if first is None else range(first, first + 6)
        return cls(**dict(zip(cls.model_fields, ports, strict=True)))

    def all(self) -> Iterator[int]:
        """Yield every port."""
        yield from self.model_dump().values()


class StackShard(FrozenRecord):
    """One shard: a replica set whose members listen on these ports, or the servers at `address`.

    A shard without ports has no servers of the stack.
    """

    name: str
    ports: tuple[int, ...]
    added: bool = False
    """Whether it was added to an existing stack."""
    address: str = ""
    """A MongoDB URI, when clients reach it other than at these ports."""

    @property
    def uri(self) -> str:
        """The URI by which clients reach the shard; they add their own user."""
        return self.address or self._own_uri

    def with_address(self, address: str) -> Self:
        """Return the same shard, reached at this URI."""
        return self.model_copy(update={"address": "" if address == self._own_uri else address})

    @property
    def _own_uri(self) -> str:
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in self.ports)
        return f"mongodb://{hosts}/?replicaSet={self.name}&directConnection=false"


def initial_shards(first: int, shape: StackShape) -> tuple[StackShard, ...]:
    """Return the shards of a new stack; the first port of the first one is `first`."""
    return tuple(
        StackShard(name=f"s{i + 1}", ports=tuple(first + SHARD_STRIDE * i + m for m in range(shape.members)))
        for i in range(shape.shards)
    )


def redis_nodes(first: int, first_bus: int, shape: StackShape) -> tuple[RedisPorts, ...]:
    """Return the nodes of a new stack: masters, then a replica for each of them if it is redundant."""
    count = 2 * REDIS_MASTERS if shape.redundant else REDIS_MASTERS
    return tuple(RedisPorts(port=first + i, bus=first_bus + i) for i in range(count))


def further_brokers(first_amqp: int, first_dist: int, shape: StackShape) -> tuple[BrokerPorts, ...]:
    """Return the brokers beside the first one; none unless the stack is redundant."""
    count = REDUNDANT_BROKERS - 1 if shape.redundant else 0
    return tuple(BrokerPorts(amqp=first_amqp + i, dist=first_dist + i) for i in range(count))


def next_shard_ports(shards: Sequence[StackShard]) -> tuple[int, ...]:
    """Return the ports of one more shard, as large as the others. Raises OpsError if none are left."""
    own = [shard.ports for shard in shards if shard.ports]
    if len(own) >= MAX_SHARDS:
        raise OpsError(f"the stack has {len(own)} shards of its own, and no ports for more")
    first = own[0][0] + SHARD_STRIDE * len(own)
    return tuple(first + member for member in range(len(own[0])))


def control_process_ports(base: int | None) -> dict[str, ProcessPorts]:
    """Return the ports of control plane and rate limiter: after `base`, or for None the documented ones."""
    grpc, ops = (5000, 6000) if base is None else (base + 10, base + 20)
    return {
        "control_plane": ProcessPorts(grpc=grpc + 9, ops=ops + 9),
        "rate_limiter": ProcessPorts(grpc=grpc + 8, ops=ops + 8),
    }
