"""What a run needs to have: seeded students, and listings of its own that nobody has applied to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from chassis.errors import DomainError
from devstack.seed.seeding import SEED_PASSWORD
from devstack.topology import Topology
from ops.errors import OpsError
from verify.bench.benchmark_users import (
    seeded_student_email,
    sign_in_seeded_students,
    temporary_listings,
)

MAX_STUDENTS: Final = 200
GRPC_PLAN: Final = "PRO"
"""A few callers of gRPC do the work of many, so their tokens are of the plan with the highest limits."""


@contextmanager
def _errors_for_operators() -> Iterator[None]:
    """Raise OpsError for an error of the services' code, which runs in this process here."""
    try:
        yield
    except DomainError as error:
        raise OpsError(f"the load test cannot be prepared: {error}; see: ic status") from error


@dataclass(frozen=True)
class LoadData:
    """The students are numbered from 1; `tokens` are theirs, in order."""

    password: str
    tokens: Sequence[str]
    listing_ids: Sequence[str]

    @property
    def students(self) -> int:
        """The number of students."""
        return len(self.tokens)


def sign_in_students(topology: Topology) -> list[str]:
    """Return tokens of the first seeded students, at most 200. Raises OpsError when the stack has none."""
    with _errors_for_operators():
        found = sign_in_seeded_students(topology, MAX_STUDENTS, GRPC_PLAN)
    last = seeded_student_email(len(found))
    if found[-1].email != last:
        raise OpsError(f"there is no account {last}; seed the stack: ic seed --stack {topology.name}")
    return [student.token for student in found]


@contextmanager
def listings_for_run(topology: Topology, tokens: Sequence[str], count: int) -> Iterator[LoadData]:
    """Publish listings for one run, and close them at the end. Raises OpsError when the stack cannot."""
    with _errors_for_operators(), temporary_listings(topology, count) as listing_ids:
        yield LoadData(SEED_PASSWORD, tokens, listing_ids)
