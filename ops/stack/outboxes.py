"""How each service's outbox stands on each shard: what waits, since when, and who sends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from chassis.messaging import lease, outbox, relay
from ops.stack import mongo
from ops.stack.credentials import Credentials
from ops.stack.supervisor import SupervisorClient
from ops.stack.topology import SERVICES, Shard, Topology

TIMEOUT_MS: Final = 3_000


@dataclass(frozen=True)
class OutboxStatus:
    """One outbox; `lag_s` is the age of its oldest row, `lease_s` for how long the lease is still held.

    `holder` is the process that holds the relay's lease, "" when none does; `problem` is why nothing is
    known.
    """

    shard: str
    service: str
    rows: int = 0
    lag_s: float = 0.0
    holder: str = ""
    lease_s: float = 0.0
    problem: str = ""


def statuses(topology: Topology, credentials: Credentials) -> list[OutboxStatus]:
    """Every outbox, shard by shard; one of a shard that does not answer says so."""
    states = SupervisorClient(topology).states().items()
    processes = {state.pid: name for name, state in states if state.pid}
    return [status for shard in topology.shards for status in _of_shard(shard, credentials, processes)]


def _of_shard(shard: Shard, credentials: Credentials, processes: Mapping[int, str]) -> list[OutboxStatus]:
    client: MongoClient[dict[str, Any]] = MongoClient(
        mongo.admin_uri(shard, credentials),
        tz_aware=True,
        tzinfo=UTC,
        serverSelectionTimeoutMS=TIMEOUT_MS,
        socketTimeoutMS=TIMEOUT_MS,
    )
    with client:
        try:
            return [_status(client, shard.name, service, processes) for service in SERVICES]
        except PyMongoError as error:
            problem = f"does not answer: {type(error).__name__}"
            return [OutboxStatus(shard.name, service, problem=problem) for service in SERVICES]


def _status(
    client: MongoClient[dict[str, Any]], shard: str, service: str, processes: Mapping[int, str]
) -> OutboxStatus:
    database = client[mongo.database_of(service)]
    rows = database[outbox.COLLECTION]
    oldest = rows.find_one({}, {"time": 1}, sort=[("_id", 1)], hint="_id_")
    held = database[lease.COLLECTION].find_one({"_id": relay.LEASE, "slot": 0}) or {}
    now = datetime.now(UTC)
    lease_s = (held.get("expires_at", now) - now).total_seconds()
    return OutboxStatus(
        shard=shard,
        service=service,
        rows=rows.count_documents({}, hint="_id_"),
        lag_s=max(0.0, (now - oldest["time"]).total_seconds()) if oldest else 0.0,
        holder=_named(held["holder"], processes) if lease_s > 0 else "",
        lease_s=max(0.0, lease_s),
    )


def _named(holder: str, processes: Mapping[int, str]) -> str:
    """The process of this stack that the holder is; as the lease has it, for one from elsewhere."""
    _host, _, rest = holder.partition(":")
    pid = rest.partition(":")[0]
    return processes.get(int(pid), holder) if pid.isdigit() else holder
