"""A mover that stops once its slots are fenced, to be killed: `python -m tests.killed_migration TOPOLOGY`."""

import sys
import time
from pathlib import Path

from devstack.local_cluster import LocalCluster
from devstack.topology import Topology
from ops.migration import initial_copy, migrator, operator_actions

SLOTS = range(100)
TARGET = "s2"
FENCED_LINE = "fenced"


async def block_process(*_: object) -> None:
    """Replace the last step under the fence; this process does nothing else until it is killed."""
    sys.stdout.write(f"{FENCED_LINE}\n")
    sys.stdout.flush()
    time.sleep(100)


def main() -> None:
    migrator.EARLIER_CALLS_GRACE_S = 0.1  # type: ignore[misc]
    initial_copy.copy_outboxes = block_process  # type: ignore[assignment]
    cluster = LocalCluster.load(Topology.load(Path(sys.argv[1])))
    operator_actions.move_slots(cluster, SLOTS, TARGET, lambda _: None)


if __name__ == "__main__":
    main()
