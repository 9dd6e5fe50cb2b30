"""Seeded people who make calls, and temporary listings of theirs."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.json_format import ParseDict

from chassis.call_context import Principal
from chassis.clock import SystemClock
from devstack.journey.main_journey import sample_listing
from devstack.local_cluster import LocalCluster
from devstack.seed.accounts import find_principal
from devstack.seed.in_process_services import NO_CONTEXT, InProcessServices, acting_at, open_auth_resources
from devstack.seed.signed_in_users import SignedInUser
from devstack.seed.tokens import SeedTokenIssuer
from devstack.topology import Topology
from internshipconnect.internship.v1 import internship_pb2 as pb
from ops.errors import OpsError
from services.auth.repository import AccountRepository

LISTING_OWNER_EMAIL: Final = "company-1@seed.example.com"
OPENINGS_PER_LISTING: Final = 1000


def seeded_student_email(number: int) -> str:
    """Return the address of a seeded student, counted from 1."""
    return f"student-{number}@seed.example.com"


def sign_in_seeded_students(topology: Topology, count: int, plan: str = "") -> list[SignedInUser]:
    """Return the first seeded students, on `plan` or their own. Raises OpsError for none."""
    return sign_in_seeded_users(topology, [seeded_student_email(i + 1) for i in range(count)], plan)


def sign_in_seeded_users(topology: Topology, emails: Sequence[str], plan: str = "") -> list[SignedInUser]:
    """Return those of these people who have accounts, in order, on `plan` or their own.

    Raises OpsError for none.
    """
    found = asyncio.run(_sign_in_seeded_users(topology, emails, plan))
    if not found:
        raise OpsError(f"there is no account {emails[0]}; seed the stack: ic seed --stack {topology.name}")
    return found


async def _sign_in_seeded_users(topology: Topology, emails: Sequence[str], plan: str) -> list[SignedInUser]:
    async with AsyncExitStack() as closing:
        auth = await open_auth_resources(LocalCluster.load(topology), closing, clock=SystemClock())
        accounts, token_issuer = AccountRepository(auth.shards), SeedTokenIssuer(auth)
        people = [(email, await find_principal(accounts, email)) for email in emails]
        return [
            SignedInUser(email, person, await token_issuer.issue(replace(person, plan=plan or person.plan)))
            for email, person in people
            if person is not None
        ]


@contextmanager
def temporary_listings(topology: Topology, count: int) -> Iterator[list[str]]:
    """Yield this number of open listings of a seeded company, by ID; close them at the end."""
    [owner] = sign_in_seeded_users(topology, [LISTING_OWNER_EMAIL])
    posted = asyncio.run(_publish_listings(topology, owner.principal, count))
    try:
        yield posted
    finally:
        asyncio.run(_close_listings(topology, owner.principal, posted))


async def _publish_listings(topology: Topology, owner: Principal, count: int) -> list[str]:
    body = sample_listing("benchmark") | {"questions": [], "openings": OPENINGS_PER_LISTING}
    draft = ParseDict(body, pb.Internship())
    async with AsyncExitStack() as closing:
        internships = (await InProcessServices.open(LocalCluster.load(topology), closing)).internships
        with acting_at(datetime.now(UTC), owner):
            return [await _publish_listing(internships, draft) for _ in range(count)]


async def _publish_listing(internships: Any, draft: pb.Internship) -> str:
    made = await internships.CreateInternship(pb.CreateInternshipRequest(internship=draft), NO_CONTEXT)
    request = pb.PublishInternshipRequest(internship_id=made.id, etag=made.etag)
    return str((await internships.PublishInternship(request, NO_CONTEXT)).id)


async def _close_listings(topology: Topology, owner: Principal, listing_ids: Sequence[str]) -> None:
    async with AsyncExitStack() as closing:
        internships = (await InProcessServices.open(LocalCluster.load(topology), closing)).internships
        with acting_at(datetime.now(UTC), owner):
            for listing_id in listing_ids:
                await internships.CloseInternship(
                    pb.CloseInternshipRequest(internship_id=listing_id), NO_CONTEXT
                )
