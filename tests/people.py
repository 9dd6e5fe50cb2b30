"""People at work on a stack while something is done to it, and whether anything of theirs was lost."""

import asyncio
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ops.chaos.ledger import Finding, Ledger
from ops.chaos.mails import await_told
from ops.chaos.people import Town
from ops.chaos.truth import await_settled, contradictions
from ops.seed.people import Member, open_people
from ops.stack.topology import Topology
from tests.stack import Stack

STUDENTS: Final = 16
COMPANIES: Final = 4


@dataclass(frozen=True)
class Work:
    """What people did while the block ran, and what came of it."""

    stack: Stack
    ledger: Ledger
    people: list[Member]
    listings: list[str]

    def findings(self) -> list[Finding]:
        """What was lost, doubled, oversold, miscounted or not told."""
        topology = Topology.load(self.stack.topology.path)
        truth, unsettled = await_settled(topology, self.listings)
        _, untold = await_told(topology, truth, self.people)
        return [*contradictions(self.ledger, truth), *unsettled, *untold]


@contextmanager
def people_at_work(stack: Stack) -> Iterator[Work]:
    """Students and companies work until the block ends, in a thread of their own, and finish what they do."""
    topology = stack.topology
    students, owners = asyncio.run(open_people(topology, students=STUDENTS, companies=COMPANIES))
    work, over = Work(stack, Ledger(), [*students, *owners], []), threading.Event()

    async def live() -> None:
        town = Town([topology.public_url], stack.trust, work.ledger, random.Random())
        try:
            await town.live(students, owners, over.is_set)
        finally:
            work.listings.extend(town.listings)
            await town.close()

    with ThreadPoolExecutor(1) as threads:
        living = threads.submit(lambda: asyncio.run(live()))
        try:
            yield work
        finally:
            over.set()
        living.result()
