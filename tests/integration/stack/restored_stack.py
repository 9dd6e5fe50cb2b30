"""A backup of the stack under test while people work on it, and a stack of another shape made from it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bson.timestamp import Timestamp
from pymongo import MongoClient

from chassis.sharding.slot_map_store import CLUSTER_DATABASE
from devstack import lifecycle, topology
from devstack.credentials import Credentials
from devstack.topology import Topology
from ops.backup.manifest import Manifest, load_manifest
from ops.backup.namespaces import backed_up_namespaces
from ops.backup.restore import RESTORE_COLLECTION
from ops.migration.batch import Namespace
from ops.paths import REPO
from ops.progress import StepProgress
from ops.service_names import SERVICES
from tests.stack import StackHandle, wait_until_blocking
from tests.workload import WorkloadRun, running_workload
from verify.chaos.operation_log import Operation, OperationLog

SHARDS: Final = 3
BUSY_OPERATIONS: Final = 60
UNHANDLED_OPERATIONS: Final = 30
COMMAND_TIMEOUT_S: Final = 180

Contents = dict[Namespace, dict[Any, Any]]


@dataclass(frozen=True)
class TakenBackup:
    """A backup, the documents of the stack at its time, and the operations of the people at work."""

    folder: Path
    manifest: Manifest
    contents: Contents
    work: WorkloadRun

    def operation_log(self) -> OperationLog:
        """Return the operations; those that were answered after the backup's time are uncertain."""
        wall_clock = time.time() - time.monotonic()
        last_s = self.manifest.time - wall_clock - self.work.operation_log.started
        log = OperationLog(started=self.work.operation_log.started)
        for each in self.work.operation_log.operations:
            log.operations.append(each if each.at_s < last_s else _uncertain(each))
        return log


def ic(*arguments: str, stack: str, expected: int = 0) -> str:
    """Run `ic` on a stack; return what it prints."""
    done = subprocess.run(
        _command(*arguments, stack=stack),
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT_S,
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def kill_when(reached: Callable[[], bool], *arguments: str, stack: str) -> None:
    """Run `ic` on a stack, and kill it as soon as `reached`."""
    process = subprocess.Popen(
        _command(*arguments, stack=stack), cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not reached():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL


def take_backup(stack: StackHandle, folder: Path) -> TakenBackup:
    """Back up while people work and events lie in queues that nobody handles."""
    name = stack.topology.name
    with running_workload(stack) as work:
        _await_more(work, BUSY_OPERATIONS)
        with stack.outages() as stop:
            for worker in ("notification-work", "analytics-work"):
                stop(worker)
            _await_more(work, UNHANDLED_OPERATIONS)
            shown = ic("backup", str(folder), stack=name)
            assert "is a complete backup" in shown
            manifest = load_manifest(folder)
            contents = read_contents(stack, Timestamp(manifest.time, 0))
        _await_more(work, UNHANDLED_OPERATIONS)
    return TakenBackup(folder, manifest, contents, work)


@contextmanager
def restored_stack(stack: StackHandle, folder: Path) -> Iterator[StackHandle]:
    """Yield a stack of three shards whose stores hold the backup and whose services do not run yet.

    The first restore is killed half-way.
    """
    found = topology.find_or_create_stack(
        f"{stack.topology.name}-restored", shards=SHARDS, limits_times=stack.topology.limits_times
    )
    try:
        copy_data_keys(stack.topology, found)
        lifecycle.start_stack(found, StepProgress(), stores_only=True)
        restored = StackHandle.of(found)
        kill_when(lambda: has_begun(restored), "restore", str(folder), "--no-replay", stack=found.name)
        ic("restore", str(folder), "--no-replay", stack=found.name)
        yield restored
    finally:
        lifecycle.stop_stack(found, wipe=True)


def copy_data_keys(source: Topology, target: Topology) -> None:
    """Give a stack the keys with which another one encrypts its data."""
    keys = Credentials.load_or_create(source).services
    secrets = Credentials.load_or_create(target)
    for name, own in secrets.services.items():
        own.data_key, own.other_data_keys = keys[name].data_key, keys[name].other_data_keys
    secrets.save(target)


def read_contents(stack: StackHandle, at: Timestamp | None = None) -> Contents:
    """Return all documents that belong to a slot, now or at a time of the last minutes."""
    contents: Contents = {namespace: {} for namespace in backed_up_namespaces(SERVICES)}
    concern = {"readConcern": {"level": "snapshot", "atClusterTime": at}} if at else {}
    for uri in stack.admin_uris().values():
        with MongoClient[Any](uri, tz_aware=True) as client:
            for namespace, found in contents.items():
                command = {"find": namespace.collection, "batchSize": 10_000, **concern}
                for row in client[namespace.database].cursor_command(command):
                    assert row["_id"] not in found, f"{namespace} has {row['_id']} on two shards"
                    found[row["_id"]] = row
    return contents


def has_begun(stack: StackHandle) -> bool:
    """Return whether a restore has begun to load documents."""
    for uri in stack.admin_uris().values():
        with MongoClient[Any](uri) as client:
            if client[CLUSTER_DATABASE][RESTORE_COLLECTION].find_one({}) is None:
                continue
        return any(len(rows) > 0 for rows in read_contents(stack).values())
    return False


def _await_more(work: WorkloadRun, operations: int) -> None:
    wanted = len(work.operation_log.operations) + operations
    wait_until_blocking(lambda: len(work.operation_log.operations) >= wanted, "people at work")


def _uncertain(operation: Operation) -> Operation:
    return replace(operation, answer=0)


def _command(*arguments: str, stack: str) -> list[str]:
    return [sys.executable, "-m", "ops.cli", *arguments, "--stack", stack]
