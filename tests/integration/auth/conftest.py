import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.clock import FixedClock
from chassis.mongo.shards import Shards
from chassis.redis import connect
from internshipconnect.events.v1.events_pb2 import VerificationRequested
from services.auth.domain import AccountKind, SignInPolicy, normalise
from services.auth.failures import FailedSignIns
from services.auth.hashing import PasswordHashing
from services.auth.keyring import KeyRing
from services.auth.service import Attempts, Minting, Registering, SignedIn, SigningIn
from services.auth.store import COLLECTIONS, AccountStore, KeyStore, SessionStore
from services.auth.vault import Vault
from tests.databases import own_databases, told
from tests.stack import Stack

PASSWORD = "green kettle orbit 7"
ROTATION = timedelta(days=30)
PATIENCE_S = 20.0
"""Redis may take longer than the usual bound on a busy machine, which must not matter to what is counted."""
LENIENT = SignInPolicy(times=1_000)


@dataclass
class KnownRevocations:
    """Revocations kept in memory."""

    revoked: set[str] = field(default_factory=set)

    async def revoke(self, session_ids: Iterable[str]) -> None:
        self.revoked.update(session_ids)


@dataclass
class Auth:
    """The room without its wire."""

    shards: Shards
    clock: FixedClock
    vault: Vault
    accounts: AccountStore
    sessions: SessionStore
    hashing: PasswordHashing
    revocations: KnownRevocations
    keys: KeyRing
    signing_in: SigningIn
    registering: Registering

    async def register(
        self, email: str, password: str = PASSWORD, *, name: str = "Ada", company: str = ""
    ) -> str:
        """Registers and returns the user's ID."""
        self.clock.advance(timedelta(milliseconds=1))
        kind = AccountKind.COMPANY if company else AccountKind.STUDENT
        await self.registering.register(
            email=email, password=password, name=name, kind=kind, company_name=company
        )
        user_id = await self.accounts.user_of(normalise(email))
        assert user_id
        return user_id

    async def codes(self, user_id: str) -> list[str]:
        """The codes that were sent, oldest first."""
        return [event.code for event in await told(self.shards, VerificationRequested, user_id)]

    async def verified(self, email: str, password: str = PASSWORD) -> SignedIn:
        """Registers and proves an address."""
        user_id = await self.register(email, password)
        return await self.registering.verify_email(email, (await self.codes(user_id))[-1])


def assemble(
    shards: Shards, redis: RedisCluster, clock: FixedClock, data_key: bytes, policy: SignInPolicy = LENIENT
) -> Auth:
    """One process's worth of the room."""
    vault = Vault(data_key)
    accounts, sessions = AccountStore(shards), SessionStore(shards)
    hashing = PasswordHashing(threads=2, queue=32)
    revocations = KnownRevocations()
    keys = KeyRing(KeyStore(shards), vault, clock, ROTATION)
    signing_in = SigningIn(
        accounts=accounts,
        sessions=sessions,
        hashing=hashing,
        minting=Minting(keys, vault, clock),
        revocations=revocations,
        attempts=Attempts(FailedSignIns(redis, policy, PATIENCE_S)),
        clock=clock,
    )
    registering = Registering(accounts, hashing, signing_in, vault.code_key, clock)
    return Auth(shards, clock, vault, accounts, sessions, hashing, revocations, keys, signing_in, registering)


@pytest.fixture(scope="session")
def stack() -> Stack:
    return Stack.under_test()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2027, 1, 1, tzinfo=UTC))


@pytest.fixture
async def shards(stack: Stack, clock: FixedClock) -> AsyncIterator[Shards]:
    async with own_databases(stack, "auth", COLLECTIONS, clock=clock) as shards:
        yield shards


@pytest.fixture
async def redis(stack: Stack) -> AsyncIterator[RedisCluster]:
    nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
    redis = connect(nodes, stack.credentials.redis_password)
    yield redis
    await redis.aclose()


@pytest.fixture
async def auth(shards: Shards, redis: RedisCluster, clock: FixedClock) -> AsyncIterator[Auth]:
    auth = assemble(shards, redis, clock, secrets.token_bytes(32))
    yield auth
    await auth.hashing.close()
