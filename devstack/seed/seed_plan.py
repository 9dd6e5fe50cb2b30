"""One run of seeding: the amounts, the stack, and the times that its data is relative to."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Self

from argon2 import PasswordHasher

from devstack.seed.population import SEED_EMAIL_DOMAIN, Population
from devstack.topology import Topology
from services.auth.hashing import OWASP_FLOOR


@dataclass(frozen=True)
class SeedRequest:
    """The amount of seed data, and the number that it is generated from."""

    number: int = 1
    companies: int = 50
    students: int = 5_000
    listings: int = 2_000
    applications: int = 500
    email_domain: str = SEED_EMAIL_DOMAIN


@dataclass(frozen=True)
class SeededCounts:
    """The numbers of seeded objects."""

    companies: int
    students: int
    listings: int
    applications: int


@dataclass(frozen=True)
class SeedPlan:
    """One run. A run that repeats another has its times, so that it makes the same documents again.

    `people_time` is when people were first seeded into the stack, `listing_time` when this number was.
    """

    topology: Topology
    request: SeedRequest
    password_hash: str
    people_time: datetime
    listing_time: datetime

    @classmethod
    def prepare(cls, topology: Topology, request: SeedRequest, password: str) -> Self:
        """Return the plan of a run, and record its times for the runs after it."""
        times = _read_times(topology)
        times.setdefault(request.number, datetime.now(UTC))
        _write_times(topology, times)
        hashed = PasswordHasher.from_parameters(OWASP_FLOOR).hash(password)
        return cls(topology, request, hashed, min(times.values()), times[request.number])

    @cached_property
    def population(self) -> Population:
        """The people and listings."""
        wanted = self.request
        return Population(
            wanted.number,
            companies=wanted.companies,
            students=wanted.students,
            listings=wanted.listings,
            email_domain=wanted.email_domain,
        )


def _read_times(topology: Topology) -> dict[int, datetime]:
    path = topology.seed_times_file
    if not path.exists():
        return {}
    return {
        int(number): datetime.fromisoformat(time) for number, time in json.loads(path.read_text()).items()
    }


def _write_times(topology: Topology, times: dict[int, datetime]) -> None:
    topology.seed_times_file.write_text(json.dumps({n: time.isoformat() for n, time in times.items()}))
