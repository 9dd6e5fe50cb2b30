"""A mover that stops once its slots are fenced, to be killed: `python -m tests.killed_mover TOPOLOGY`."""

import sys
import time
from pathlib import Path

from ops.moving import copying, mover, running
from ops.stack.lifecycle import Stack
from ops.stack.topology import Topology

SLOTS = range(100)
TARGET = "s2"
SAID = "fenced"


async def stuck(*_: object) -> None:
    """Instead of the last step under the fence; nothing of this process goes on meanwhile."""
    sys.stdout.write(f"{SAID}\n")
    sys.stdout.flush()
    time.sleep(100)


def main() -> None:
    mover.BEGUN_BEFORE_S = 0.1  # type: ignore[misc]
    copying.copy_outboxes = stuck  # type: ignore[assignment]
    running.move(Stack.of(Topology.load(Path(sys.argv[1]))), SLOTS, TARGET, lambda _: None)


if __name__ == "__main__":
    main()
