"""Seed data: companies, students, listings and applications, reproducible from a number."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import uvloop

from ops.seed.population import Population
from ops.seed.rooms import Rooms
from ops.seed.sower import Sower, Sown
from ops.stack.credentials import Credentials
from ops.stack.topology import Topology

PASSWORD: Final = "seeded-for-trying-out"  # noqa: S105 - printed, and good on a local stack only


@dataclass(frozen=True)
class Wanted:
    """How much to sow, and from which number."""

    number: int = 1
    companies: int = 50
    students: int = 5_000
    listings: int = 2_000
    applications: int = 500


def seed_stack(topology: Topology, wanted: Wanted, progress: Callable[[str, int], None]) -> Sown:
    """Seeds a running stack; `progress(what, done)` hears how far it is.

    Raises DomainError when a service does not answer for two minutes.
    """

    async def sow() -> Sown:
        async with AsyncExitStack() as closing:
            rooms = await Rooms.open(topology, Credentials.of(topology), closing)
            population = Population(
                wanted.number,
                companies=wanted.companies,
                students=wanted.students,
                listings=wanted.listings,
            )
            return await Sower(rooms, population, PASSWORD, progress).sow(wanted.applications)

    return uvloop.run(sow())
