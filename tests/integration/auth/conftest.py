import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.clock import FixedClock
from chassis.redis.client import connect_redis
from chassis.sharding.shards import Shards
from internshipconnect.events.v1.events_pb2 import VerificationRequested
from services.auth.domain import AccountKind, SignInPolicy, normalise_address
from services.auth.failed_sign_ins import FailedSignInCounter
from services.auth.hashing import Argon2Hasher
from services.auth.key_store import KeyStore
from services.auth.keyring import KeyRing
from services.auth.repository import COLLECTIONS, AccountRepository, SessionRepository, SigningKeyRepository
from services.auth.service import Register, SignIn, SignInResult, SignInThrottle, TokenIssuer
from tests.databases import own_databases, read_outbox
from tests.stack import StackHandle

PASSWORD = "green kettle orbit 7"
ROTATION = timedelta(days=30)
REDIS_TIMEOUT_S = 20.0
"""Redis may take longer than the usual bound on a busy machine, which must not matter to what is counted."""
LENIENT = SignInPolicy(times=1_000)


@dataclass
class KnownRevocations:
    """Revocations kept in memory."""

    revoked: set[str] = field(default_factory=set)

    async def revoke(self, session_ids: Iterable[str]) -> None:
        self.revoked.update(session_ids)


@dataclass
class AuthHarness:
    """The room without its wire."""

    shards: Shards
    clock: FixedClock
    vault: KeyStore
    accounts: AccountRepository
    sessions: SessionRepository
    hashing: Argon2Hasher
    revocations: KnownRevocations
    keys: KeyRing
    signing_in: SignIn
    registering: Register

    async def register(
        self, email: str, password: str = PASSWORD, *, name: str = "Ada", company: str = ""
    ) -> str:
        """Registers and returns the user's ID."""
        self.clock.advance(timedelta(milliseconds=1))
        kind = AccountKind.COMPANY if company else AccountKind.STUDENT
        await self.registering.register(
            email=email, password=password, name=name, kind=kind, company_name=company
        )
        user_id = await self.accounts.user_of(normalise_address(email))
        assert user_id
        return user_id

    async def codes(self, user_id: str) -> list[str]:
        """The codes that were sent, oldest first."""
        return [event.code for event in await read_outbox(self.shards, VerificationRequested, user_id)]

    async def verified(self, email: str, password: str = PASSWORD) -> SignInResult:
        """Registers and proves an address."""
        user_id = await self.register(email, password)
        return await self.registering.verify_email(email, (await self.codes(user_id))[-1])


def build_auth_harness(
    shards: Shards, redis: RedisCluster, clock: FixedClock, data_key: bytes, policy: SignInPolicy = LENIENT
) -> AuthHarness:
    """One process's worth of the room."""
    vault = KeyStore(data_key)
    accounts, sessions = AccountRepository(shards), SessionRepository(shards)
    hashing = Argon2Hasher(threads=2, queue=32)
    revocations = KnownRevocations()
    keys = KeyRing(SigningKeyRepository(shards), vault, clock, ROTATION)
    signing_in = SignIn(
        accounts=accounts,
        sessions=sessions,
        hashing=hashing,
        minting=TokenIssuer(keys, vault, clock),
        revocations=revocations,
        attempts=SignInThrottle(FailedSignInCounter(redis, policy, REDIS_TIMEOUT_S)),
        clock=clock,
    )
    registering = Register(accounts, hashing, signing_in, vault.code_key, clock)
    return AuthHarness(
        shards, clock, vault, accounts, sessions, hashing, revocations, keys, signing_in, registering
    )


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    return StackHandle.under_test()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2027, 1, 1, tzinfo=UTC))


@pytest.fixture
async def shards(stack: StackHandle, clock: FixedClock) -> AsyncIterator[Shards]:
    async with own_databases(stack, "auth", COLLECTIONS, clock=clock) as shards:
        yield shards


@pytest.fixture
async def redis(stack: StackHandle) -> AsyncIterator[RedisCluster]:
    nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
    redis = connect_redis(nodes, stack.credentials.redis_password)
    yield redis
    await redis.aclose()


@pytest.fixture
async def auth(shards: Shards, redis: RedisCluster, clock: FixedClock) -> AsyncIterator[AuthHarness]:
    auth = build_auth_harness(shards, redis, clock, secrets.token_bytes(32))
    yield auth
    await auth.hashing.close()
