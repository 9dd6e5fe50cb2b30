"""One run: people at work, strikes among them, and a verdict."""

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
"""By which their numbers are divided where no call may fail: a machine at its limit is late by itself."""

ReportProgress = Callable[[str], None]


@dataclass(frozen=True)
class ChaosResult:
    """What a run found; `not_well` are the processes that did not come back."""

    ledger: OperationLog
    findings: Sequence[InvariantViolation]
    not_well: Sequence[str]
    strikes: Sequence[Fault]

    @property
    def is_good(self) -> bool:
        """Whether the promise was kept."""
        return not self.findings and not self.not_well


def run_chaos(
    topology: Topology, seed: int, seconds: float, tell: ReportProgress, *, only: Sequence[str] = ()
) -> ChaosResult:
    """Carries a run out on a running stack; `tell` hears of each strike and of what is being done.

    `only`: the strikes that may be drawn, as `KIND` or `KIND:TARGET`. Raises OpsError for others.
    """
    stack = Stack.of(topology)
    targets = select_fault_targets(find_fault_targets(stack), only)
    if targets.get(ChaosFaultKind.SKEW):
        binaries.install_faketime(tell)
    strikes = draw_faults(seed, seconds, targets)
    crowd = Users.gathered(topology, seed)
    tell(f"{crowd} work for {seconds:.0f} s, {len(strikes)} strikes")
    striker = FaultInjector(stack)
    hands = [partial(_inject_when_due, striker, each, crowd.ledger, tell) for each in strikes]
    until = crowd.ledger.started + seconds
    with rate_limiter.lifted_rate_limits(topology):
        crowd.work(hands, lambda: time.monotonic() > until)
    findings, not_well = _check_outcome(crowd, striker, tell)
    return ChaosResult(crowd.ledger, findings, not_well, strikes)


def run_rolling_restart(topology: Topology, tell: ReportProgress) -> ChaosResult:
    """Restarts everything in turn while people work: not only is nothing lost, no call may fail.

    Raises OpsError when a process does not come back.
    """
    stack = Stack.of(topology)
    crowd = Users.gathered(topology, seed=0, divided_by=ROLLING_USERS_DIVISOR)
    tell(f"{crowd} work until everything was restarted")
    with rate_limiter.lifted_rate_limits(topology), ThreadPoolExecutor(1) as pool:
        rolled = pool.submit(_restart_in_turn, stack, crowd.ledger, tell)
        crowd.work([], rolled.done)
        rolled.result()
    findings, not_well = _check_outcome(crowd, FaultInjector(stack), tell)
    return ChaosResult(crowd.ledger, [*crowd.ledger.failed(), *findings], not_well, ())


@dataclass
class Users:
    """People, what they were told, and the listings that they made."""

    topology: Topology
    students: Sequence[SignedInUser]
    owners: Sequence[SignedInUser]
    dice: random.Random
    ledger: OperationLog = field(default_factory=OperationLog)
    listings: Sequence[str] = ()

    @classmethod
    def gathered(cls, topology: Topology, seed: int, *, divided_by: int = 1) -> "Users":
        """Opens accounts for all of them; the time of the ledger begins."""
        many = {"students": STUDENT_COUNT // divided_by, "companies": COMPANY_COUNT // divided_by}
        students, owners = asyncio.run(create_signed_in_users(topology, **many))
        return cls(topology, students, owners, random.Random(seed))  # noqa: S311 - not to be secret

    def __str__(self) -> str:
        return f"{len(self.students)} students and {len(self.owners)} companies"

    def work(self, hands: Sequence[Callable[[], None]], is_over: Callable[[], bool]) -> None:
        """Lets them work until it is over, with each of these in a thread of its own beside them."""
        threads = [threading.Thread(target=hand) for hand in hands]
        for thread in threads:
            thread.start()
        self.listings = asyncio.run(self._live(is_over))
        for thread in threads:
            thread.join()

    async def _live(self, is_over: Callable[[], bool]) -> Sequence[str]:
        urls = [self.topology.url_of(region) for region in self.topology.regions]
        town = Workload(urls, httpx_verify(self.topology), self.ledger, self.dice)
        try:
            await town.live(self.students, self.owners, is_over)
        finally:
            await town.close()
        return list(town.listings)


def _check_outcome(
    crowd: Users, striker: FaultInjector, tell: ReportProgress
) -> tuple[list[InvariantViolation], list[str]]:
    """What is wrong once all is quiet, and which processes have not come back."""
    tell("all is quiet; waiting until everything is well and has settled")
    began = time.monotonic()
    not_well = striker.await_well()
    truth, unsettled = wait_until_settled(crowd.topology, crowd.listings)
    mailbox, untold = wait_for_notifications(crowd.topology, truth, [*crowd.students, *crowd.owners])
    repeated = sum(count > 1 for count in mailbox.copies.values())
    tell(
        f"settled after {time.monotonic() - began:.0f} s; {len(mailbox.copies)} mails, "
        f"{repeated} of them came more than once, with the same Message-ID"
    )
    ledger = crowd.ledger
    return [*find_contradictions(ledger, truth), *unsettled, *untold, *ledger.never_to_be()], not_well


def _inject_when_due(
    striker: FaultInjector, strike: Fault, ledger: OperationLog, tell: ReportProgress
) -> None:
    time.sleep(max(0.0, ledger.started + strike.at_s - time.monotonic()))
    tell(f"{strike.at_s:6.1f} s  {strike}")
    if problem := striker.carry_out(strike):
        tell(f"{strike.at_s:6.1f} s  {strike}: not done, {problem}")


def _restart_in_turn(stack: Stack, ledger: OperationLog, tell: ReportProgress) -> None:
    time.sleep(FIRST_FAULT_AT_S)
    restart_in_turn(stack, lambda line: tell(f"{time.monotonic() - ledger.started:6.1f} s  {line}"))
