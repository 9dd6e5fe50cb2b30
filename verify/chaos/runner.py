"""A run of chaos: users at work, injected faults, and the result."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from devstack import binaries, rate_limiter
from devstack.rolling_restart import restart_in_turn
from devstack.seed.signed_in_users import SignedInUser, create_signed_in_users
from devstack.stack import Stack
from devstack.tls import httpx_verify
from devstack.topology import Topology
from verify.chaos.fault_injector import FaultInjector, find_fault_targets
from verify.chaos.fault_schedule import (
    FIRST_FAULT_AT_S,
    ChaosFaultKind,
    Fault,
    draw_faults,
    select_fault_targets,
)
from verify.chaos.notification_check import wait_for_notifications
from verify.chaos.operation_log import InvariantViolation, OperationLog
from verify.chaos.stored_state import find_contradictions, wait_until_settled
from verify.chaos.workload import Workload

STUDENT_COUNT: Final = 24
COMPANY_COUNT: Final = 4
ROLLING_USERS_DIVISOR: Final = 3
"""The divisor of the number of users where no call may fail: a machine at its limit is slow by itself."""

ReportProgress = Callable[[str], None]


@dataclass(frozen=True)
class ChaosResult:
    """The result of a run; `unready_processes` are the processes that did not come back."""

    operation_log: OperationLog
    violations: Sequence[InvariantViolation]
    unready_processes: Sequence[str]
    faults: Sequence[Fault]

    @property
    def is_passed(self) -> bool:
        """Whether there is no violation and all processes are ready."""
        return not self.violations and not self.unready_processes


def run_chaos(
    topology: Topology, seed: int, seconds: float, tell: ReportProgress, *, only: Sequence[str] = ()
) -> ChaosResult:
    """Run the faults against a running stack; `tell` receives each fault and each step.

    `only` restricts the faults, as `KIND` or `KIND:TARGET`. Raises OpsError for unknown ones.
    """
    stack = Stack.assemble(topology)
    targets = select_fault_targets(find_fault_targets(stack), only)
    if targets.get(ChaosFaultKind.SKEW):
        binaries.install_faketime(tell)
    faults = draw_faults(seed, seconds, targets)
    users = Users.create(topology, seed)
    tell(f"{users} work for {seconds:.0f} s, {len(faults)} faults")
    injector = FaultInjector(stack)
    injectors = [partial(_inject_when_due, injector, each, users.operation_log, tell) for each in faults]
    until = users.operation_log.started + seconds
    with rate_limiter.lifted_rate_limits(topology):
        users.run(injectors, lambda: time.monotonic() > until)
    violations, unready_processes = _check_outcome(users, injector, tell)
    return ChaosResult(users.operation_log, violations, unready_processes, faults)


def run_rolling_restart(topology: Topology, tell: ReportProgress) -> ChaosResult:
    """Restart all processes one by one while users work: no operation may be lost, no call may fail.

    Raises OpsError when a process does not come back.
    """
    stack = Stack.assemble(topology)
    users = Users.create(topology, seed=0, divided_by=ROLLING_USERS_DIVISOR)
    tell(f"{users} work until everything was restarted")
    with rate_limiter.lifted_rate_limits(topology), ThreadPoolExecutor(1) as pool:
        rolled = pool.submit(_restart_in_turn, stack, users.operation_log, tell)
        users.run([], rolled.done)
        rolled.result()
    violations, unready_processes = _check_outcome(users, FaultInjector(stack), tell)
    return ChaosResult(
        users.operation_log, [*users.operation_log.find_retried_answers(), *violations], unready_processes, ()
    )


@dataclass
class Users:
    """Users, the log of their operations, and their listings."""

    topology: Topology
    students: Sequence[SignedInUser]
    owners: Sequence[SignedInUser]
    dice: random.Random
    operation_log: OperationLog = field(default_factory=OperationLog)
    listings: Sequence[str] = ()

    @classmethod
    def create(cls, topology: Topology, seed: int, *, divided_by: int = 1) -> "Users":
        """Open all accounts; the time of the operation log starts."""
        many = {"students": STUDENT_COUNT // divided_by, "companies": COMPANY_COUNT // divided_by}
        students, owners = asyncio.run(create_signed_in_users(topology, **many))
        return cls(topology, students, owners, random.Random(seed))  # noqa: S311 - not to be secret

    def __str__(self) -> str:
        return f"{len(self.students)} students and {len(self.owners)} companies"

    def run(self, injectors: Sequence[Callable[[], None]], is_over: Callable[[], bool]) -> None:
        """Let the users work until `is_over`, with each of these injectors in a thread of its own."""
        threads = [threading.Thread(target=hand) for hand in injectors]
        for thread in threads:
            thread.start()
        self.listings = asyncio.run(self._live(is_over))
        for thread in threads:
            thread.join()

    async def _live(self, is_over: Callable[[], bool]) -> Sequence[str]:
        urls = [self.topology.region_url(region) for region in self.topology.regions]
        workload = Workload(urls, httpx_verify(self.topology), self.operation_log, self.dice)
        try:
            await workload.run_until(self.students, self.owners, is_over)
        finally:
            await workload.close()
        return list(workload.listings)


def _check_outcome(
    users: Users, injector: FaultInjector, tell: ReportProgress
) -> tuple[list[InvariantViolation], list[str]]:
    """Return the violations that remain once all is settled, and the processes that have not come back."""
    tell("all is quiet; waiting until everything is well and has settled")
    began = time.monotonic()
    unready_processes = injector.wait_until_ready()
    stored_state, unsettled = wait_until_settled(users.topology, users.listings)
    mailbox, untold = wait_for_notifications(users.topology, stored_state, [*users.students, *users.owners])
    repeated = sum(count > 1 for count in mailbox.copies.values())
    tell(
        f"settled after {time.monotonic() - began:.0f} s; {len(mailbox.copies)} mails, "
        f"{repeated} of them came more than once, with the same Message-ID"
    )
    operation_log = users.operation_log
    return [
        *find_contradictions(operation_log, stored_state),
        *unsettled,
        *untold,
        *operation_log.find_unexpected_answers(),
    ], unready_processes


def _inject_when_due(
    injector: FaultInjector, fault: Fault, operation_log: OperationLog, tell: ReportProgress
) -> None:
    time.sleep(max(0.0, operation_log.started + fault.at_s - time.monotonic()))
    tell(f"{fault.at_s:6.1f} s  {fault}")
    if problem := injector.inject(fault):
        tell(f"{fault.at_s:6.1f} s  {fault}: not done, {problem}")


def _restart_in_turn(stack: Stack, operation_log: OperationLog, tell: ReportProgress) -> None:
    time.sleep(FIRST_FAULT_AT_S)
    restart_in_turn(stack, lambda line: tell(f"{time.monotonic() - operation_log.started:6.1f} s  {line}"))
