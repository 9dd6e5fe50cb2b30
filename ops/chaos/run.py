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

from ops.chaos.ledger import Finding, Ledger
from ops.chaos.mails import await_told
from ops.chaos.people import Town
from ops.chaos.schedule import FIRST_AT_S, Kind, Strike, chosen, drawn
from ops.chaos.striking import Striker, targets_of
from ops.chaos.truth import await_settled, contradictions
from ops.seed.people import Member, open_people
from ops.stack import binaries, rate_limiter
from ops.stack.lifecycle import Stack
from ops.stack.rolling import roll
from ops.stack.tls import trust
from ops.stack.topology import Topology

STUDENTS: Final = 24
COMPANIES: Final = 4
FEW: Final = 3
"""By which their numbers are divided where no call may fail: a machine at its limit is late by itself."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Verdict:
    """What a run found; `not_well` are the processes that did not come back."""

    ledger: Ledger
    findings: Sequence[Finding]
    not_well: Sequence[str]
    strikes: Sequence[Strike]

    @property
    def is_good(self) -> bool:
        """Whether the promise was kept."""
        return not self.findings and not self.not_well


def run(topology: Topology, seed: int, seconds: float, tell: Tell, *, only: Sequence[str] = ()) -> Verdict:
    """Carries a run out on a running stack; `tell` hears of each strike and of what is being done.

    `only`: the strikes that may be drawn, as `KIND` or `KIND:TARGET`. Raises OpsError for others.
    """
    stack = Stack.of(topology)
    targets = chosen(targets_of(stack), only)
    if targets.get(Kind.SKEW):
        binaries.install_faketime(tell)
    strikes = drawn(seed, seconds, targets)
    crowd = Crowd.gathered(topology, seed)
    tell(f"{crowd} work for {seconds:.0f} s, {len(strikes)} strikes")
    striker = Striker(stack)
    hands = [partial(_strike, striker, each, crowd.ledger, tell) for each in strikes]
    until = crowd.ledger.started + seconds
    with rate_limiter.lifted(topology):
        crowd.work(hands, lambda: time.monotonic() > until)
    findings, not_well = _judged(crowd, striker, tell)
    return Verdict(crowd.ledger, findings, not_well, strikes)


def run_rolling(topology: Topology, tell: Tell) -> Verdict:
    """Restarts everything in turn while people work: not only is nothing lost, no call may fail.

    Raises OpsError when a process does not come back.
    """
    stack = Stack.of(topology)
    crowd = Crowd.gathered(topology, seed=0, divided_by=FEW)
    tell(f"{crowd} work until everything was restarted")
    with rate_limiter.lifted(topology), ThreadPoolExecutor(1) as pool:
        rolled = pool.submit(_roll, stack, crowd.ledger, tell)
        crowd.work([], rolled.done)
        rolled.result()
    findings, not_well = _judged(crowd, Striker(stack), tell)
    return Verdict(crowd.ledger, [*crowd.ledger.failed(), *findings], not_well, ())


@dataclass
class Crowd:
    """People, what they were told, and the listings that they made."""

    topology: Topology
    students: Sequence[Member]
    owners: Sequence[Member]
    dice: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    listings: Sequence[str] = ()

    @classmethod
    def gathered(cls, topology: Topology, seed: int, *, divided_by: int = 1) -> "Crowd":
        """Opens accounts for all of them; the time of the ledger begins."""
        many = {"students": STUDENTS // divided_by, "companies": COMPANIES // divided_by}
        students, owners = asyncio.run(open_people(topology, **many))
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
        town = Town(urls, trust(self.topology), self.ledger, self.dice)
        try:
            await town.live(self.students, self.owners, is_over)
        finally:
            await town.close()
        return list(town.listings)


def _judged(crowd: Crowd, striker: Striker, tell: Tell) -> tuple[list[Finding], list[str]]:
    """What is wrong once all is quiet, and which processes have not come back."""
    tell("all is quiet; waiting until everything is well and has settled")
    began = time.monotonic()
    not_well = striker.await_well()
    truth, unsettled = await_settled(crowd.topology, crowd.listings)
    mailbox, untold = await_told(crowd.topology, truth, [*crowd.students, *crowd.owners])
    repeated = sum(count > 1 for count in mailbox.copies.values())
    tell(
        f"settled after {time.monotonic() - began:.0f} s; {len(mailbox.copies)} mails, "
        f"{repeated} of them came more than once, with the same Message-ID"
    )
    ledger = crowd.ledger
    return [*contradictions(ledger, truth), *unsettled, *untold, *ledger.never_to_be()], not_well


def _strike(striker: Striker, strike: Strike, ledger: Ledger, tell: Tell) -> None:
    time.sleep(max(0.0, ledger.started + strike.at_s - time.monotonic()))
    tell(f"{strike.at_s:6.1f} s  {strike}")
    if problem := striker.carry_out(strike):
        tell(f"{strike.at_s:6.1f} s  {strike}: not done, {problem}")


def _roll(stack: Stack, ledger: Ledger, tell: Tell) -> None:
    time.sleep(FIRST_AT_S)
    roll(stack, lambda line: tell(f"{time.monotonic() - ledger.started:6.1f} s  {line}"))
