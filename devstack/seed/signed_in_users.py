"""People with accounts and tokens on a running stack, made by the services' own code."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from argon2 import PasswordHasher

from chassis.call_context import Principal
from chassis.clock import SystemClock
from chassis.ids import SLOT_COUNT, new_id
from devstack.local_cluster import LocalCluster
from devstack.seed.accounts import create_verified_account
from devstack.seed.in_process_services import InProcessServices, open_auth_resources
from devstack.seed.tokens import SeedTokenIssuer
from devstack.topology import Topology
from ops.moderation import ModerationClient
from services.auth.domain.accounts import AccountHolder, AccountKind, CompanyRole

EMAIL_DOMAIN: Final = "example.com"


@dataclass(frozen=True)
class SignedInUser:
    """A user with an account and a token that is valid for two hours."""

    email: str
    principal: Principal
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of their calls."""
        return {"authorization": f"Bearer {self.token}"}


async def create_signed_in_users(
    topology: Topology, *, students: int, companies: int
) -> tuple[list[SignedInUser], list[SignedInUser]]:
    """Return new students, and owners of new, verified companies that are spread over all shards."""
    async with AsyncExitStack() as closing:
        cluster = LocalCluster.load(topology)
        services = await InProcessServices.open(cluster, closing)
        token_issuer = SeedTokenIssuer(await open_auth_resources(cluster, closing, clock=SystemClock()))
        password = PasswordHasher().hash(uuid.uuid4().hex)

        async def member(role: str, number: int, holder: AccountHolder) -> SignedInUser:
            email = f"{role}.{uuid.uuid4().hex[:10]}.{number}@{EMAIL_DOMAIN}"
            person = await create_verified_account(services, email, holder, password, datetime.now(UTC))
            return SignedInUser(email, person, await token_issuer.issue(person))

        def owner_of(number: int) -> AccountHolder:
            name = f"Crowd Company {number} {uuid.uuid4().hex[:6]}"
            company = new_id("cmp", number * SLOT_COUNT // companies)
            return AccountHolder("Olga Owner", AccountKind.COMPANY, CompanyRole.OWNER, company, name)

        found = await asyncio.gather(
            *(
                member("student", i, AccountHolder(f"Student {i}", AccountKind.STUDENT))
                for i in range(students)
            ),
            *(member("owner", i, owner_of(i)) for i in range(companies)),
        )
        owners = list(found[students:])
        moderators = ModerationClient(cluster)
        await asyncio.gather(
            *(asyncio.to_thread(moderators.verify_company, each.principal.org) for each in owners)
        )
        return list(found[:students]), owners
