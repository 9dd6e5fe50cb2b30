"""Lifts a fence that its mover has left: a process that each mover starts and that outlives it.

It holds one end of a pipe. A mover that has ended well says so there. After the end of any other, whether it
was killed or could not open the slots again itself, this looks whether they are open, and opens them.
"""

import asyncio
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pymongo.errors import PyMongoError

from chassis.mongo import catalogue
from ops.errors import OpsError
from ops.moving.claim import SILENT_FOR_S
from ops.moving.cluster import Cluster, newest_map, taken
from ops.moving.handover import UnderWay, settle
from ops.paths import REPO
from ops.stack.lifecycle import Stack
from ops.stack.provision import AdminClient, shard_clients
from ops.stack.topology import Topology

LOG: Final = "guardian.log"
READY_WITHIN_S: Final = 30.0
GONE_WITHIN_S: Final = 10.0
GRACE_S: Final = 1.5
"""For somebody who resumes the move at once: both wait until the claim of the killed one is silent."""
PATIENCE_S: Final = 600.0
TRY_EVERY_S: Final = 1.0
DEADLINE_MS: Final = 5_000
"""Of everything that is asked of a shard."""
_READY: Final = b"ready\n"
_ENDED_WELL: Final = b"ended well"


@contextmanager
def guarded(topology: Topology) -> Iterator[None]:
    """Within the block, and after it unless it ends well, somebody else sees to it that slots are open.

    Raises OpsError when there is nobody to do so.
    """
    guardian = _started(topology)
    try:
        yield
    except BaseException:
        guardian.leave()
        raise
    guardian.dismiss()


class _Guardian:
    """The process, as its mover sees it."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def leave(self) -> None:
        """Leaves it alone with what there is to do."""
        _close(self._process)
        threading.Thread(target=self._process.wait, daemon=True).start()

    def dismiss(self) -> None:
        """There is nothing to do for it."""
        try:
            self._process.communicate(_ENDED_WELL, timeout=GONE_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _started(topology: Topology) -> _Guardian:
    path = topology.logs / LOG
    try:
        topology.logs.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ops.moving.guardian", str(topology.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=REPO,
                # What ends the mover from a terminal must not end this.
                start_new_session=True,
            )
    except OSError as error:
        raise OpsError(f"no process starts that lifts a fence if this one is killed: {error}") from error
    if not _is_ready(process):
        process.kill()
        process.communicate()
        raise OpsError(f"the process that lifts a fence if this one is killed does not start; see: {path}")
    return _Guardian(process)


def _is_ready(process: "subprocess.Popen[bytes]") -> bool:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], READY_WITHIN_S)
    return bool(readable) and os.read(process.stdout.fileno(), len(_READY)) == _READY


def _close(process: "subprocess.Popen[bytes]") -> None:
    for end in (process.stdin, process.stdout):
        if end is not None:
            end.close()


def main() -> None:
    """Waits for the end of the mover that has started this."""
    path = Path(sys.argv[1])
    os.write(sys.stdout.fileno(), _READY)
    if sys.stdin.buffer.read() == _ENDED_WELL:
        return
    time.sleep(SILENT_FOR_S + GRACE_S)
    if said := _until_open(path):
        sys.stderr.write(f"{time.strftime('%FT%TZ', time.gmtime())} a mover has not ended well: {said}\n")


def _until_open(path: Path) -> str:
    """What was done, or why nothing could be done within ten minutes; "" when nothing had to be."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return asyncio.run(_open(Stack.of(Topology.load(path))))
        except (OpsError, PyMongoError) as error:
            if time.monotonic() > until:
                return f"slots may still be fenced: {error}"
            time.sleep(TRY_EVERY_S)


async def _open(stack: Stack) -> str:
    async with shard_clients(stack.topology, stack.credentials, deadline_ms=DEADLINE_MS) as clients:
        if await _are_open(clients):
            return ""
        async with taken(clients, "the guardian") as cluster:
            return await _opened(cluster)


async def _are_open(clients: dict[str, AdminClient]) -> bool:
    """Whether no slots are fenced, and the owner of those that are on their way knows that it is."""
    slot_map = await newest_map(clients)
    if not slot_map.moving:
        return True
    under_way = UnderWay.of(slot_map)
    owner = under_way.target if under_way.is_switched(slot_map) else under_way.source
    copy = await catalogue.copy_of(clients[owner][catalogue.CLUSTER])
    return not slot_map.fenced and copy is not None and not copy.fenced and copy.owners == slot_map.owners


async def _opened(cluster: Cluster) -> str:
    under_way = UnderWay.of(cluster.slot_map)
    await cluster.claim.spread(under_way.source)
    await settle(cluster, under_way)
    return f"{under_way} are open for writes; go on with: ic shards move --resume"


if __name__ == "__main__":
    main()
