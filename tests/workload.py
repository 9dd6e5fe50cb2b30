"""People at work on a stack while something is done to it, and whether anything of theirs was lost."""

import asyncio
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from devstack.seed.signed_in_users import SignedInUser, create_signed_in_users
from devstack.topology import Topology
from tests.stack import StackHandle
from verify.chaos.notification_check import wait_for_notifications
from verify.chaos.operation_log import InvariantViolation, OperationLog
from verify.chaos.stored_state import find_contradictions, wait_until_settled
from verify.chaos.workload import Workload

STUDENTS: Final = 16
COMPANIES: Final = 4


@dataclass(frozen=True)
class WorkloadRun:
    """The operations of the users while the block ran, and their results."""

    stack: StackHandle
    operation_log: OperationLog
    people: list[SignedInUser]
    listings: list[str]

    def violations(self) -> list[InvariantViolation]:
        """Return the effects that were lost, doubled, oversold, miscounted or not notified."""
        topology = Topology.load(self.stack.topology.path)
        stored_state, unsettled = wait_until_settled(topology, self.listings)
        _, untold = wait_for_notifications(topology, stored_state, self.people)
        return [*find_contradictions(self.operation_log, stored_state), *unsettled, *untold]


@contextmanager
def running_workload(stack: StackHandle) -> Iterator[WorkloadRun]:
    """Let students and companies work until the block ends, in a thread of their own, and finish their
    operations."""
    topology = stack.topology
    students, owners = asyncio.run(create_signed_in_users(topology, students=STUDENTS, companies=COMPANIES))
    work, over = WorkloadRun(stack, OperationLog(), [*students, *owners], []), threading.Event()

    async def live() -> None:
        workload = Workload([topology.public_url], stack.trust, work.operation_log, random.Random())
        try:
            await workload.run_until(students, owners, over.is_set)
        finally:
            work.listings.extend(workload.listings)
            await workload.close()

    with ThreadPoolExecutor(1) as threads:
        living = threads.submit(lambda: asyncio.run(live()))
        try:
            yield work
        finally:
            over.set()
        living.result()
