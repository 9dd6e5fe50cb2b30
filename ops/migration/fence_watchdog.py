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

from chassis.sharding import slot_map_store
from devstack.lifecycle import Stack
from devstack.topology import Topology
from ops.errors import OpsError
from ops.migration.handover import ActiveMigration, lift_fence
from ops.migration.lock import HEARTBEAT_TIMEOUT_S
from ops.migration.slot_map_editor import SlotMapEditor, edit_slot_map, read_newest_slot_map
from ops.paths import REPO
from ops.provision import AdminClient, open_admin_clients

LOG_FILE: Final = "guardian.log"
READY_TIMEOUT_S: Final = 30.0
EXIT_TIMEOUT_S: Final = 10.0
RESUME_GRACE_S: Final = 1.5
"""For somebody who resumes the move at once: both wait until the claim of the killed one is silent."""
WAIT_TIMEOUT_S: Final = 600.0
RETRY_INTERVAL_S: Final = 1.0
SHARD_TIMEOUT_MS: Final = 5_000
"""Of everything that is asked of a shard."""
_READY_SIGNAL: Final = b"ready\n"
_CLEAN_EXIT_SIGNAL: Final = b"ended well"


@contextmanager
def watch_fence(topology: Topology) -> Iterator[None]:
    """Within the block, and after it unless it ends well, somebody else sees to it that slots are open.

    Raises OpsError when there is nobody to do so.
    """
    guardian = _start_watchdog(topology)
    try:
        yield
    except BaseException:
        guardian.leave()
        raise
    guardian.dismiss()


class _FenceWatchdog:
    """The process, as its mover sees it."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def leave(self) -> None:
        """Leaves it alone with what there is to do."""
        _close_pipes(self._process)
        threading.Thread(target=self._process.wait, daemon=True).start()

    def dismiss(self) -> None:
        """There is nothing to do for it."""
        try:
            self._process.communicate(_CLEAN_EXIT_SIGNAL, timeout=EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _start_watchdog(topology: Topology) -> _FenceWatchdog:
    path = topology.logs / LOG_FILE
    try:
        topology.logs.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ops.migration.fence_watchdog", str(topology.path)],
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
    return _FenceWatchdog(process)


def _is_ready(process: "subprocess.Popen[bytes]") -> bool:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], READY_TIMEOUT_S)
    return bool(readable) and os.read(process.stdout.fileno(), len(_READY_SIGNAL)) == _READY_SIGNAL


def _close_pipes(process: "subprocess.Popen[bytes]") -> None:
    for end in (process.stdin, process.stdout):
        if end is not None:
            end.close()


def main() -> None:
    """Waits for the end of the mover that has started this."""
    path = Path(sys.argv[1])
    os.write(sys.stdout.fileno(), _READY_SIGNAL)
    if sys.stdin.buffer.read() == _CLEAN_EXIT_SIGNAL:
        return
    time.sleep(HEARTBEAT_TIMEOUT_S + RESUME_GRACE_S)
    if said := _retry_until_open(path):
        sys.stderr.write(f"{time.strftime('%FT%TZ', time.gmtime())} a mover has not ended well: {said}\n")


def _retry_until_open(path: Path) -> str:
    """What was done, or why nothing could be done within ten minutes; "" when nothing had to be."""
    until = time.monotonic() + WAIT_TIMEOUT_S
    while True:
        try:
            return asyncio.run(_open_slots(Stack.of(Topology.load(path))))
        except (OpsError, PyMongoError) as error:
            if time.monotonic() > until:
                return f"slots may still be fenced: {error}"
            time.sleep(RETRY_INTERVAL_S)


async def _open_slots(stack: Stack) -> str:
    async with open_admin_clients(stack.topology, stack.credentials, deadline_ms=SHARD_TIMEOUT_MS) as clients:
        if await _are_slots_open(clients):
            return ""
        async with edit_slot_map(clients, "the guardian") as cluster:
            return await _lift_left_fence(cluster)


async def _are_slots_open(clients: dict[str, AdminClient]) -> bool:
    """Whether no slots are fenced, and the owner of those that are on their way knows that it is."""
    slot_map = await read_newest_slot_map(clients)
    if not slot_map.moving:
        return True
    under_way = ActiveMigration.of(slot_map)
    owner = under_way.target if under_way.is_switched(slot_map) else under_way.source
    copy = await slot_map_store.read_slot_map(clients[owner][slot_map_store.CLUSTER_DATABASE])
    return not slot_map.fenced and copy is not None and not copy.fenced and copy.owners == slot_map.owners


async def _lift_left_fence(cluster: SlotMapEditor) -> str:
    under_way = ActiveMigration.of(cluster.slot_map)
    await cluster.claim.spread(under_way.source)
    await lift_fence(cluster, under_way)
    return f"{under_way} are open for writes; go on with: ic shards move --resume"


if __name__ == "__main__":
    main()
