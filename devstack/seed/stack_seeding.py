"""Seed data: companies, students, listings and applications, reproducible from a number."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import uvloop

from devstack.local_cluster import LocalCluster
from devstack.seed.in_process_services import InProcessServices
from devstack.seed.population import Population
from devstack.seed.seeder import SeededCounts, Seeder
from devstack.topology import Topology

SEED_PASSWORD: Final = "seeded-for-trying-out"  # noqa: S105 - printed, and good on a local stack only


@dataclass(frozen=True)
class SeedRequest:
    """The amount of seed data, and the number that it is generated from."""

    number: int = 1
    companies: int = 50
    students: int = 5_000
    listings: int = 2_000
    applications: int = 500


def seed_stack(topology: Topology, wanted: SeedRequest, progress: Callable[[str, int], None]) -> SeededCounts:
    """Seed a running stack; `progress(what, done)` reports the progress.

    Raises DomainError when a service does not answer for two minutes.
    """

    async def seed() -> SeededCounts:
        async with AsyncExitStack() as closing:
            services = await InProcessServices.open(LocalCluster.load(topology), closing)
            population = Population(
                wanted.number,
                companies=wanted.companies,
                students=wanted.students,
                listings=wanted.listings,
            )
            return await Seeder(services, population, SEED_PASSWORD, progress).seed(wanted.applications)

    return uvloop.run(seed())
