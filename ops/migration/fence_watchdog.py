"""Lifts a fence that a migration has left: a process that each migration starts and that outlives it.

It holds one end of a pipe, over which a migration reports a good end. After any other end, whether the
migration was killed or could not open the slots again itself, the watchdog checks whether they are open, and
opens them.
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
from typing import BinaryIO, Final

from pymongo.errors import PyMongoError

from chassis.concurrency.retry import RetryPolicy, retry_call
from chassis.sharding import slot_map_store
from ops.cluster import Cluster, open_cluster
from ops.errors import OpsError
from ops.migration.handover import ActiveMigration, lift_fence
from ops.migration.lock import HEARTBEAT_TIMEOUT_S
from ops.migration.slot_map_editor import SlotMapEditor, edit_slot_map, read_newest_slot_map
from ops.paths import REPO
from ops.provision import AdminClient, open_admin_clients

READY_TIMEOUT_S: Final = 30.0
EXIT_TIMEOUT_S: Final = 10.0
RESUME_GRACE_S: Final = 1.5
"""For an operator who resumes at once: both wait until the heartbeat of the killed migration has expired."""
WAIT_TIMEOUT_S: Final = 600.0
OPEN_SLOTS_RETRY_POLICY: Final = RetryPolicy(initial_s=1.0, max_s=1.0, jitter=0)
SHARD_TIMEOUT_MS: Final = 5_000
"""The time-out of each operation on a shard."""
_READY_SIGNAL: Final = b"ready\n"
_CLEAN_EXIT_SIGNAL: Final = b"ended well"


@contextmanager
def watch_fence(cluster: Cluster) -> Iterator[None]:
    """Run a watchdog beside the block; it opens the slots unless the block ends well.

    Raises OpsError when the watchdog does not start.
    """
    watchdog = _start_watchdog(cluster)
    try:
        yield
    except BaseException:
        watchdog.leave_running()
        raise
    watchdog.stop()


class _FenceWatchdog:
    """The watchdog's process, for the migration that started it."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def leave_running(self) -> None:
        """Leave the slots to the watchdog."""
        _close_pipes(self._process)
        threading.Thread(target=self._process.wait, daemon=True).start()

    def stop(self) -> None:
        """Stop the watchdog, which has nothing to do."""
        try:
            self._process.communicate(_CLEAN_EXIT_SIGNAL, timeout=EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _start_watchdog(cluster: Cluster) -> _FenceWatchdog:
    path = cluster.watchdog_log()
    try:
        with _open_log(path) as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ops.migration.fence_watchdog", cluster.reference],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=REPO,
                # A signal from the terminal that ends the migration must not end the watchdog.
                start_new_session=True,
            )
    except OSError as error:
        raise OpsError(f"no process starts that lifts a fence if this one is killed: {error}") from error
    if not _is_ready(process):
        process.kill()
        process.communicate()
        hint = f"; see: {path}" if path else ""
        raise OpsError(f"the process that lifts a fence if this one is killed does not start{hint}")
    return _FenceWatchdog(process)


@contextmanager
def _open_log(path: Path | None) -> Iterator[BinaryIO | None]:
    """Open the watchdog's log; without a path its lines go to this process's stderr."""
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        yield log


def _is_ready(process: "subprocess.Popen[bytes]") -> bool:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], READY_TIMEOUT_S)
    return bool(readable) and os.read(process.stdout.fileno(), len(_READY_SIGNAL)) == _READY_SIGNAL


def _close_pipes(process: "subprocess.Popen[bytes]") -> None:
    for end in (process.stdin, process.stdout):
        if end is not None:
            end.close()


def main() -> None:
    """Wait for the end of the migration that started this process."""
    cluster = open_cluster(sys.argv[1])
    os.write(sys.stdout.fileno(), _READY_SIGNAL)
    if sys.stdin.buffer.read() == _CLEAN_EXIT_SIGNAL:
        return
    time.sleep(HEARTBEAT_TIMEOUT_S + RESUME_GRACE_S)
    if said := _retry_until_open(cluster):
        sys.stderr.write(f"{time.strftime('%FT%TZ', time.gmtime())} a migration has not ended well: {said}\n")


def _retry_until_open(cluster: Cluster) -> str:
    """Return the report of what was done, or why it failed for ten minutes; "" when the slots were open."""
    try:
        return retry_call(
            lambda: asyncio.run(_open_slots(cluster)),
            OPEN_SLOTS_RETRY_POLICY,
            on=(OpsError, PyMongoError),
            deadline=time.monotonic() + WAIT_TIMEOUT_S,
        )
    except (OpsError, PyMongoError) as error:
        return f"slots may still be fenced: {error}"


async def _open_slots(cluster: Cluster) -> str:
    async with open_admin_clients(cluster, timeout_ms=SHARD_TIMEOUT_MS) as clients:
        if await _are_slots_open(clients):
            return ""
        async with edit_slot_map(clients, "the fence watchdog") as editor:
            return await _lift_left_fence(editor)


async def _are_slots_open(clients: dict[str, AdminClient]) -> bool:
    """Return whether no slots are fenced, and the moving ones' owner has the map that says so."""
    slot_map = await read_newest_slot_map(clients)
    if not slot_map.moving:
        return True
    migration = ActiveMigration.from_slot_map(slot_map)
    owner = migration.target if migration.is_switched(slot_map) else migration.source
    copy = await slot_map_store.read_slot_map(clients[owner][slot_map_store.CLUSTER_DATABASE])
    return not slot_map.fenced and copy is not None and not copy.fenced and copy.owners == slot_map.owners


async def _lift_left_fence(editor: SlotMapEditor) -> str:
    migration = ActiveMigration.from_slot_map(editor.slot_map)
    await editor.lock.register(migration.source)
    await lift_fence(editor, migration)
    return f"{migration} are open for writes; go on with: ic shards move --resume"


if __name__ == "__main__":
    main()
