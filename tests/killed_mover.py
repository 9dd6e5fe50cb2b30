"""A mover that fences slots and goes no further, to be killed: `python -m tests.killed_mover TOPOLOGY`."""

import asyncio
import sys
from pathlib import Path

from chassis.mongo import planning
from chassis.mongo.slots import Move, Span
from ops.moving.cluster import taken
from ops.moving.guardian import guarded
from ops.stack.lifecycle import Stack
from ops.stack.provision import shard_clients
from ops.stack.topology import Topology

SPAN = Span(0, 99)
MOVE = Move(SPAN, "s1", "s2")


async def fence(stack: Stack) -> None:
    async with shard_clients(stack.topology, stack.credentials) as clients, taken(clients) as cluster:
        await cluster.claim.spread(MOVE.source, MOVE.target)
        await cluster.change(planning.with_moves(cluster.slot_map, [MOVE]))
        await cluster.change(planning.with_fence(cluster.slot_map, SPAN.slots))
        await cluster.tell(MOVE.source)
        sys.stdout.write("fenced\n")
        sys.stdout.flush()
        await asyncio.sleep(600)


def main() -> None:
    stack = Stack.of(Topology.load(Path(sys.argv[1])))
    with guarded(stack.topology):
        asyncio.run(fence(stack))


if __name__ == "__main__":
    main()
