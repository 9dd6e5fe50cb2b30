"""A rival takes the lease of one outbox relay, holds it for a while and gives it back.

The relay finds out when it renews, two seconds later at most, and stops; until the end nobody sends what
waits in that outbox. Then any worker of the service takes over from the stored position.
"""

import time
from typing import Any, Final

from pymongo import MongoClient
from pymongo.collection import Collection

from chassis.messaging.lease import COLLECTION
from chassis.messaging.relay import LEASE
from ops.stack import elections, mongo
from ops.stack.lifecycle import Stack
from ops.stack.topology import SERVICES, Topology

RIVAL: Final = "chaos"
_KEY: Final = {"_id": LEASE, "slot": 0}
_PREFIX: Final = "relay-"


def targets(topology: Topology) -> list[str]:
    """The relays: one for each service and shard."""
    return [f"{_PREFIX}{service}-{shard.name}" for service in SERVICES for shard in topology.shards]


def steal(stack: Stack, target: str, for_s: float) -> None:
    """Holds the lease of a relay for so long. Raises PyMongoError when the shard cannot be reached."""
    service, _, name = target.removeprefix(_PREFIX).partition("-")
    uri = mongo.admin_uri(elections.shard_called(stack.topology, name), stack.credentials)
    with MongoClient[dict[str, Any]](uri, timeoutMS=10_000) as client:
        leases = client[mongo.database_of(service)][COLLECTION]
        try:
            _take(leases, for_s)
            time.sleep(for_s)
        finally:
            leases.delete_one({**_KEY, "holder": RIVAL})


def _take(leases: Collection[dict[str, Any]], for_s: float) -> None:
    """The lease ends by itself if nobody is left to give it back."""
    until = {"$add": ["$$NOW", int(for_s * 1000)]}
    change = [{"$set": {"holder": RIVAL, "expires_at": until}}]
    leases.update_one(_KEY, change, upsert=True)
