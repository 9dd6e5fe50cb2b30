"""People with accounts and tokens on a running stack, by the services' own code."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from argon2 import PasswordHasher

from chassis.caller import Principal
from chassis.clock import SystemClock
from chassis.ids import new_id
from ops.moderation import Moderators
from ops.seed.accounts import open_proven
from ops.seed.rooms import Rooms, open_auth
from ops.seed.tokens import Minting
from ops.stack.credentials import Credentials
from ops.stack.mongo import SLOTS
from ops.stack.topology import Topology
from services.auth.domain import AccountKind, CompanyRole, Holder

DOMAIN: Final = "example.com"


@dataclass(frozen=True)
class Member:
    """Somebody with an account and a token that is good for two hours."""

    email: str
    principal: Principal
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What their calls carry."""
        return {"authorization": f"Bearer {self.token}"}


async def open_people(
    topology: Topology, *, students: int, companies: int
) -> tuple[list[Member], list[Member]]:
    """New students, and owners of new, verified companies that are spread over all shards."""
    async with AsyncExitStack() as closing:
        credentials = Credentials.of(topology)
        rooms = await Rooms.open(topology, credentials, closing)
        minting = Minting(await open_auth(topology, credentials, closing, clock=SystemClock()))
        password = PasswordHasher().hash(uuid.uuid4().hex)

        async def member(role: str, number: int, holder: Holder) -> Member:
            email = f"{role}.{uuid.uuid4().hex[:10]}.{number}@{DOMAIN}"
            person = await open_proven(rooms, email, holder, password, datetime.now(UTC))
            return Member(email, person, await minting.token(person))

        def owner_of(number: int) -> Holder:
            name = f"Crowd Company {number} {uuid.uuid4().hex[:6]}"
            company = new_id("cmp", number * SLOTS // companies)
            return Holder("Olga Owner", AccountKind.COMPANY, CompanyRole.OWNER, company, name)

        found = await asyncio.gather(
            *(member("student", i, Holder(f"Student {i}", AccountKind.STUDENT)) for i in range(students)),
            *(member("owner", i, owner_of(i)) for i in range(companies)),
        )
        owners = list(found[students:])
        moderators = Moderators(topology)
        await asyncio.gather(*(asyncio.to_thread(moderators.verify, each.principal.org) for each in owners))
        return list(found[:students]), owners
