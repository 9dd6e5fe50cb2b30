"""A rival takes the lease of one outbox relay, holds it for a while and releases it.

The relay notices at its next renewal, after two seconds at most, and stops; until the rival's end the events
in that outbox wait. Then any worker of the service takes over from the stored position.
"""

import time
from typing import Any, Final

from pymongo import MongoClient
from pymongo.collection import Collection

from chassis.messaging.leader_lease import LEASES_COLLECTION
from chassis.messaging.relay import RELAY_LEASE
from devstack import elections, mongo
from devstack.stack import Stack
from devstack.topology import Topology
from ops.service_names import SERVICES, service_database

RIVAL_HOLDER: Final = "chaos"
_LEASE_KEY: Final = {"_id": RELAY_LEASE, "slot": 0}
_TARGET_PREFIX: Final = "relay-"


def list_relay_targets(topology: Topology) -> list[str]:
    """Return the relays: one for each service and shard."""
    return [f"{_TARGET_PREFIX}{service}-{shard.name}" for service in SERVICES for shard in topology.shards]


def steal_lease(stack: Stack, target: str, for_s: float) -> None:
    """Hold the lease of a relay for so long. Raises PyMongoError when the shard cannot be reached."""
    service, _, name = target.removeprefix(_TARGET_PREFIX).partition("-")
    uri = mongo.shard_admin_uri(elections.find_shard(stack.topology, name), stack.credentials)
    with MongoClient[dict[str, Any]](uri, timeoutMS=10_000) as client:
        leases = client[service_database(service)][LEASES_COLLECTION]
        try:
            _take_lease(leases, for_s)
            time.sleep(for_s)
        finally:
            leases.delete_one({**_LEASE_KEY, "holder": RIVAL_HOLDER})


def _take_lease(leases: Collection[dict[str, Any]], for_s: float) -> None:
    """Take the lease until it expires, even if this process dies before releasing it."""
    until = {"$add": ["$$NOW", int(for_s * 1000)]}
    change = [{"$set": {"holder": RIVAL_HOLDER, "expires_at": until}}]
    leases.update_one(_LEASE_KEY, change, upsert=True)
