"""Lifts the fence of a mover that was killed: a process that each mover starts and that outlives it.

It holds one end of a pipe. A mover that ends in good order has opened the slots again itself and says a word
there; one that was killed leaves the end of the stream alone, and then nobody else would open them.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pymongo.errors import PyMongoError

from ops.errors import OpsError
from ops.moving.claim import SILENT_FOR_S, BusyError
from ops.moving.cluster import taken
from ops.moving.handover import UnderWay, settle
from ops.stack.lifecycle import Stack
from ops.stack.provision import shard_clients
from ops.stack.topology import Topology

LOG: Final = "guardian.log"
GRACE_S: Final = 1.5
"""For somebody who resumes the move at once: both wait until the claim of the killed one is silent."""
PATIENCE_S: Final = 600.0
TRY_EVERY_S: Final = 1.0
DEADLINE_MS: Final = 5_000
"""Of everything that is asked of a shard."""
_IN_GOOD_ORDER: Final = b"ended"


@contextmanager
def guarded(topology: Topology) -> Iterator[None]:
    """Within the block a fence is lifted when this process is killed."""
    topology.logs.mkdir(parents=True, exist_ok=True)
    with (topology.logs / LOG).open("ab") as log:
        guardian = subprocess.Popen(
            [sys.executable, "-m", __name__, str(topology.path)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # What ends the mover from a terminal must not end this.
            start_new_session=True,
        )
    try:
        yield
    finally:
        guardian.communicate(_IN_GOOD_ORDER)


def main() -> None:
    """Waits for the end of the mover that has started this."""
    path = Path(sys.argv[1])
    if sys.stdin.buffer.read() == _IN_GOOD_ORDER:
        return
    time.sleep(SILENT_FOR_S + GRACE_S)
    try:
        said = _until_answered(path)
    except OpsError as error:
        said = str(error)
    sys.stdout.write(f"{time.strftime('%FT%TZ', time.gmtime())} a mover has ended without a word: {said}\n")


def _until_answered(path: Path) -> str:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return asyncio.run(_lift(Stack.of(Topology.load(path))))
        except BusyError:
            return "somebody else is at work"
        except (OpsError, PyMongoError):
            if time.monotonic() > until:
                raise
            time.sleep(TRY_EVERY_S)


async def _lift(stack: Stack) -> str:
    async with (
        shard_clients(stack.topology, stack.credentials, deadline_ms=DEADLINE_MS) as clients,
        taken(clients) as cluster,
    ):
        if not cluster.slot_map.moving:
            return "nothing is on its way"
        under_way = UnderWay.of(cluster.slot_map)
        await cluster.claim.spread(under_way.source)
        await settle(cluster, under_way)
        return f"{under_way} are open for writes; go on with: ic shards move --resume"


if __name__ == "__main__":
    main()
