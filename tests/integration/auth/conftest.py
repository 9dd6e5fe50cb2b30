import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio.cluster import RedisCluster

from chassis.clock import FixedClock
from chassis.redis.client import connect_redis
from chassis.security.data_keys import DataKeys
from chassis.sharding.shards import Shards
from internshipconnect.events.v1.events_pb2 import VerificationRequested
from services.auth.domain.accounts import AccountKind
from services.auth.domain.addresses import normalise_address
from services.auth.domain.sign_in_policy import SignInPolicy
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import UNKNOWN_VISITOR, Visitor
from services.auth.failed_sign_ins import FailedSignInCounter
from services.auth.hashing import Argon2Hasher
from services.auth.key_store import KeyStore
from services.auth.keyring import KeyRing
from services.auth.oidc_client import OidcSettings, ProviderSettings, open_provider_ports
from services.auth.repository import COLLECTIONS, AccountRepository, AuthRepositories, SessionRepository
from services.auth.service.passkey_ports import PasskeySite
from services.auth.service.register import Register
from services.auth.service.replace_password import ReplacePassword
from services.auth.service.sign_in import SignIn
from services.auth.service.use_cases import AuthPolicy, AuthUseCases, build_use_cases
from services.auth.webauthn_verifier import open_passkey_ports
from tests.databases import own_databases, read_outbox
from tests.stack import StackHandle

PASSWORD = "green kettle orbit 7"
ISSUER = "https://api.example.com"
REDIRECT_URI = f"{ISSUER}/app/provider"
PASSKEY_SITE = PasskeySite("example.com", (ISSUER, "android:apk-key-hash:c29mdHdhcmU"))
ROTATION = timedelta(days=30)
REDIS_TIMEOUT_S = 20.0
"""Redis may take longer than the usual bound on a busy machine, which must not matter to the count."""
LENIENT = SignInPolicy(factor=1_000)


@dataclass
class KnownRevocations:
    """Revocations kept in memory."""

    revoked: set[str] = field(default_factory=set)

    async def revoke(self, session_ids: Iterable[str]) -> None:
        self.revoked.update(session_ids)


@dataclass
class AuthHarness:
    """The service without its servicer."""

    shards: Shards
    clock: FixedClock
    key_store: KeyStore
    accounts: AccountRepository
    sessions: SessionRepository
    hasher: Argon2Hasher
    revocations: KnownRevocations
    keys: KeyRing
    cases: AuthUseCases
    redis: RedisCluster
    data_key: bytes

    @property
    def sign_in(self) -> SignIn:
        return self.cases.sign_in

    @property
    def registration(self) -> Register:
        return self.cases.register

    @property
    def passwords(self) -> ReplacePassword:
        return self.cases.replace_password

    async def register(
        self,
        email: str,
        password: str = PASSWORD,
        *,
        name: str = "Ada",
        company: str = "",
        locale: str = "",
        visitor: Visitor = UNKNOWN_VISITOR,
    ) -> str:
        """Register and return the user's ID."""
        self.clock.advance(timedelta(milliseconds=1))
        kind = AccountKind.COMPANY if company else AccountKind.STUDENT
        await self.registration.register(
            email=email,
            password=password,
            name=name,
            kind=kind,
            company_name=company,
            locale=locale,
            visitor=visitor,
        )
        user_id = await self.accounts.find_user_id(normalise_address(email))
        assert user_id
        return user_id

    async def codes(self, user_id: str) -> list[str]:
        """Return the codes that were sent, oldest first."""
        return [event.code for event in await read_outbox(self.shards, VerificationRequested, user_id)]

    async def verified(self, email: str, password: str = PASSWORD) -> SignInResult:
        """Register and prove an address."""
        user_id = await self.register(email, password)
        return await self.registration.verify_email(email, (await self.codes(user_id))[-1])


def build_auth_harness(
    shards: Shards,
    redis: RedisCluster,
    clock: FixedClock,
    data_key: bytes,
    policy: SignInPolicy = LENIENT,
    *,
    providers: tuple[ProviderSettings, ...] = (),
    region: str = "local",
    other_data_keys: tuple[bytes, ...] = (),
) -> AuthHarness:
    """Return the service as one process of a region has it."""
    data_keys = DataKeys(data_key, other_data_keys)
    repositories = AuthRepositories.open(shards, data_keys, clock, region)
    hasher = Argon2Hasher(threads=2, queue=32)
    revocations = KnownRevocations()
    cases = build_use_cases(
        repositories,
        hasher=hasher,
        revocations=revocations,
        failures=FailedSignInCounter(redis, policy, REDIS_TIMEOUT_S),
        providers=open_provider_ports(OidcSettings(providers, REDIRECT_URI), redis),
        passkeys=open_passkey_ports(PASSKEY_SITE, redis),
        clock=clock,
        policy=AuthPolicy(issuer=ISSUER, key_rotation=ROTATION),
    )
    stores = (shards, clock, repositories.key_store, repositories.accounts, repositories.sessions)
    return AuthHarness(*stores, hasher, revocations, cases.keys, cases, redis, data_key)


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
    await auth.cases.close()
