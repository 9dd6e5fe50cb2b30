"""The state of each service's outbox on each shard: waiting rows, their age, and the relay."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from chassis.messaging import leader_lease, relay
from chassis.mongo.client import use_store_tls
from chassis.sharding import outbox
from ops.cluster import Cluster, ClusterShard
from ops.service_names import service_database
from ops.shards import addresses

SHARD_TIMEOUT_MS: Final = 3_000


@dataclass(frozen=True)
class OutboxStatus:
    """One outbox; `lag_s` is the age of its oldest row, `lease_s` the remaining time of the lease.

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


def read_outbox_statuses(cluster: Cluster) -> list[OutboxStatus]:
    """Return every outbox, shard by shard; those of a shard that does not answer have a problem."""
    return [status for shard in cluster.shards for status in _read_shard_outboxes(cluster, shard)]


def _read_shard_outboxes(cluster: Cluster, shard: ClusterShard) -> list[OutboxStatus]:
    client: MongoClient[dict[str, Any]] = MongoClient(
        addresses.admin_uri(shard, cluster.admin_login),
        tz_aware=True,
        tzinfo=UTC,
        serverSelectionTimeoutMS=SHARD_TIMEOUT_MS,
        socketTimeoutMS=SHARD_TIMEOUT_MS,
        connect=False,
    )
    use_store_tls(client, cluster.store_tls)
    with client:
        try:
            return [_read_outbox_status(cluster, client, shard.name, each) for each in cluster.services]
        except PyMongoError as error:
            problem = f"does not answer: {type(error).__name__}"
            return [OutboxStatus(shard.name, service, problem=problem) for service in cluster.services]


def _read_outbox_status(
    cluster: Cluster, client: MongoClient[dict[str, Any]], shard: str, service: str
) -> OutboxStatus:
    database = client[service_database(service)]
    rows = database[outbox.OUTBOX_COLLECTION]
    oldest = rows.find_one({}, {"time": 1}, sort=[("_id", 1)], hint="_id_")
    held = database[leader_lease.LEASES_COLLECTION].find_one({"_id": relay.RELAY_LEASE, "slot": 0}) or {}
    now = datetime.now(UTC)
    lease_s = (held.get("expires_at", now) - now).total_seconds()
    return OutboxStatus(
        shard=shard,
        service=service,
        rows=rows.count_documents({}, hint="_id_"),
        lag_s=max(0.0, (now - oldest["time"]).total_seconds()) if oldest else 0.0,
        holder=cluster.holder_name(held["holder"]) if lease_s > 0 else "",
        lease_s=max(0.0, lease_s),
    )
