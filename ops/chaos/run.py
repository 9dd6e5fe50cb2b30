"""One run: people at work, strikes among them, and a verdict."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from ops.chaos.ledger import Finding, Ledger
from ops.chaos.mails import await_told
from ops.chaos.people import Town
from ops.chaos.schedule import Kind, Strike, chosen, drawn
from ops.chaos.striking import Striker, targets_of
from ops.chaos.truth import await_settled, contradictions
from ops.seed.people import Member, open_people
from ops.stack import binaries
from ops.stack.lifecycle import Stack
from ops.stack.tls import trust
from ops.stack.topology import Topology

STUDENTS: Final = 24
COMPANIES: Final = 4

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
    students, owners = asyncio.run(open_people(topology, students=STUDENTS, companies=COMPANIES))
    tell(f"{STUDENTS} students and {COMPANIES} companies work for {seconds:.0f} s, {len(strikes)} strikes")
    ledger = Ledger()
    striker = Striker(stack)
    striking = [threading.Thread(target=_strike, args=(striker, each, ledger, tell)) for each in strikes]
    for thread in striking:
        thread.start()
    town = partial(Town, topology.public_url, trust(topology), ledger, random.Random(seed))  # noqa: S311
    listings = asyncio.run(_work(town, students, owners, ledger.started + seconds))
    for thread in striking:
        thread.join()
    tell("all is quiet; waiting until everything is well and has settled")
    not_well = striker.await_well()
    truth, unsettled = await_settled(topology, listings)
    mailbox, untold = await_told(topology, truth, [*students, *owners])
    findings = [*contradictions(ledger, truth), *unsettled, *untold, *ledger.never_to_be()]
    repeated = sum(count > 1 for count in mailbox.copies.values())
    tell(
        f"settled {time.monotonic() - ledger.started - seconds:.0f} s after the end; "
        f"{len(mailbox.copies)} mails, {repeated} of them came more than once, with the same Message-ID"
    )
    return Verdict(ledger, findings, not_well, strikes)


async def _work(
    settle: Callable[[], Town], students: Sequence[Member], owners: Sequence[Member], until: float
) -> list[str]:
    town = settle()
    try:
        await town.live(students, owners, until)
    finally:
        await town.close()
    return list(town.listings)


def _strike(striker: Striker, strike: Strike, ledger: Ledger, tell: Tell) -> None:
    time.sleep(max(0.0, ledger.started + strike.at_s - time.monotonic()))
    tell(f"{strike.at_s:6.1f} s  {strike}")
    if problem := striker.carry_out(strike):
        tell(f"{strike.at_s:6.1f} s  {strike}: not done, {problem}")
