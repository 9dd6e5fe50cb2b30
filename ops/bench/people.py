"""Seeded people who call, and listings of theirs that are there for a measurement only."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.json_format import ParseDict

from chassis.caller import Principal
from chassis.clock import SystemClock
from internshipconnect.internship.v1 import internship_pb2 as pb
from ops.errors import OpsError
from ops.journey.story import listing
from ops.seed.accounts import find_person
from ops.seed.people import Member
from ops.seed.rooms import NOBODY, Rooms, open_auth, scene
from ops.seed.tokens import Minting
from ops.stack.credentials import Credentials
from ops.stack.topology import Topology
from services.auth.store import AccountStore

OWNER: Final = "company-1@seed.example.com"
OPENINGS: Final = 1000


def student_email(number: int) -> str:
    """The address of a seeded student, counted from 1."""
    return f"student-{number}@seed.example.com"


def members(topology: Topology, emails: Sequence[str], plan: str = "") -> list[Member]:
    """Those of these people who have accounts, in order, on `plan` or their own. Raises OpsError for none."""
    found = asyncio.run(_members(topology, emails, plan))
    if not found:
        raise OpsError(f"there is no account {emails[0]}; seed the stack: ic seed --stack {topology.name}")
    return found


async def _members(topology: Topology, emails: Sequence[str], plan: str) -> list[Member]:
    async with AsyncExitStack() as closing:
        auth = await open_auth(topology, Credentials.of(topology), closing, clock=SystemClock())
        accounts, minting = AccountStore(auth.shards), Minting(auth)
        people = [(email, await find_person(accounts, email)) for email in emails]
        return [
            Member(email, person, await minting.token(replace(person, plan=plan or person.plan)))
            for email, person in people
            if person is not None
        ]


@contextmanager
def scratch_listings(topology: Topology, count: int) -> Iterator[list[str]]:
    """So many open listings of a seeded company, by ID; closed in the end."""
    [owner] = members(topology, [OWNER])
    posted = asyncio.run(_post(topology, owner.principal, count))
    try:
        yield posted
    finally:
        asyncio.run(_close(topology, owner.principal, posted))


async def _post(topology: Topology, owner: Principal, count: int) -> list[str]:
    body = listing("benchmark") | {"questions": [], "openings": OPENINGS}
    draft = ParseDict(body, pb.Internship())
    async with AsyncExitStack() as closing:
        internships = (await Rooms.open(topology, Credentials.of(topology), closing)).internships
        with scene(datetime.now(UTC), owner):
            return [await _post_one(internships, draft) for _ in range(count)]


async def _post_one(internships: Any, draft: pb.Internship) -> str:
    made = await internships.CreateInternship(pb.CreateInternshipRequest(internship=draft), NOBODY)
    request = pb.PublishInternshipRequest(internship_id=made.id, etag=made.etag)
    return str((await internships.PublishInternship(request, NOBODY)).id)


async def _close(topology: Topology, owner: Principal, listing_ids: Sequence[str]) -> None:
    async with AsyncExitStack() as closing:
        internships = (await Rooms.open(topology, Credentials.of(topology), closing)).internships
        with scene(datetime.now(UTC), owner):
            for listing_id in listing_ids:
                await internships.CloseInternship(pb.CloseInternshipRequest(internship_id=listing_id), NOBODY)
