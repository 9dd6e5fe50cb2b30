"""Signing in with another provider, a real one with keys and HTTP of its own."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from redis.asyncio.cluster import RedisCluster

from chassis.clock import FixedClock
from chassis.errors import DomainError
from chassis.sharding.shards import Shards
from internshipconnect.events.v1.events_pb2 import IdentityChanged, UserRegistered
from services.auth.domain.accounts import AccountKind, AccountState, CompanyRole
from services.auth.domain.second_factors import STEP
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import Visitor
from services.auth.repository import AccountChange
from services.auth.service.provider_accounts import Newcomer
from services.auth.service.provider_sign_in import ProviderAnswer
from tests.databases import read_outbox
from tests.integration.auth.conftest import PASSWORD, AuthHarness, build_auth_harness
from tests.integration.auth.oidc_provider import Person, SmallProvider
from tests.integration.auth.test_second_factors import now as code_now
from tests.integration.auth.test_second_factors import with_app
from tests.integration.auth.test_signing_in import claims_of, in_state, reason_of

LAPTOP = Visitor(("192.0.2.1",), b"Firefox")
ADA = Person()
STUDENT = Newcomer()


@pytest.fixture
async def provider() -> AsyncIterator[SmallProvider]:
    provider = SmallProvider()
    await provider.start()
    yield provider
    await provider.stop()


@pytest.fixture
async def auth(
    shards: Shards, redis: RedisCluster, clock: FixedClock, provider: SmallProvider
) -> AsyncIterator[AuthHarness]:
    auth = build_auth_harness(shards, redis, clock, secrets.token_bytes(32), providers=(provider.settings,))
    yield auth
    await auth.cases.close()


async def begin(auth: AuthHarness, provider: SmallProvider, person: Person = ADA) -> ProviderAnswer:
    """Return the answer of the provider, at which the person has signed in."""
    url, ticket = await auth.cases.provider_sign_in.begin("campus")
    assert ticket not in url
    state, code = provider.sign_in(url, person)
    return ProviderAnswer(ticket, state, code)


async def complete(auth: AuthHarness, answer: ProviderAnswer, newcomer: Newcomer = STUDENT) -> SignInResult:
    auth.clock.advance(timedelta(milliseconds=1))
    return await auth.cases.provider_sign_in.complete(answer, newcomer, LAPTOP)


async def sign_in(auth: AuthHarness, provider: SmallProvider, person: Person = ADA) -> SignInResult:
    return await complete(auth, await begin(auth, provider, person))


async def test_somebody_new_gets_an_account_whose_address_is_verified(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    ada = await sign_in(auth, provider)
    claims = claims_of(ada)
    assert (claims["amr"], claims["email_verified"], claims["kind"]) == (["fed"], True, "STUDENT")
    [event] = await read_outbox(auth.shards, UserRegistered, ada.account.id)
    assert (event.email, event.name, event.email_verified) == (ADA.email, "Ada", True)
    again = await sign_in(auth, provider)
    assert again.account.id == ada.account.id
    assert await reason_of(auth.sign_in.login(ADA.email, PASSWORD)) == "INVALID_CREDENTIALS"


async def test_a_company_s_founder_may_come_from_a_provider_too(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    founder = await complete(
        auth, await begin(auth, provider), Newcomer(AccountKind.COMPANY, company_name="Acme")
    )
    holder = founder.account.holder
    assert (holder.kind, holder.role, holder.company_name) == (AccountKind.COMPANY, CompanyRole.OWNER, "Acme")


async def test_a_verified_address_links_the_account_that_has_it_and_its_owner_is_told(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    owner = await auth.verified(ADA.email)
    linked = await sign_in(auth, provider, replace(ADA, email="ADA@campus.test"))
    assert linked.account.id == owner.account.id
    [event] = await read_outbox(auth.shards, IdentityChanged, owner.account.id)
    assert (event.provider_name, event.linked, event.email) == ("Campus login", True, ADA.email)
    await auth.sign_in.login(ADA.email, PASSWORD)
    page, _ = await auth.cases.security_events.list_own(owner.account.id, below=None, size=3)
    assert "IDENTITY_LINKED" in [each.note.verb for each in page]


@pytest.mark.parametrize("email", ["", "not an address", "ada@campus.test"])
async def test_an_address_that_the_provider_has_not_verified_opens_and_links_nothing(
    auth: AuthHarness, provider: SmallProvider, email: str
) -> None:
    owner = await auth.verified("ada@campus.test")
    person = replace(ADA, email=email, email_verified=email != "ada@campus.test")
    assert await reason_of(sign_in(auth, provider, person)) == "PROVIDER_EMAIL_UNVERIFIED"
    assert await auth.cases.provider_sign_in.list_identities(owner.account.id) == ()


@pytest.mark.parametrize("verified", ["true", 1, None])
async def test_only_true_itself_says_that_an_address_is_verified(
    auth: AuthHarness, provider: SmallProvider, verified: Any
) -> None:
    provider.claims["email_verified"] = verified
    assert await reason_of(sign_in(auth, provider)) == "PROVIDER_EMAIL_UNVERIFIED"


async def test_who_registered_the_address_before_its_owner_came_keeps_nothing(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    user_id = await auth.register(ADA.email, name="Mallory")
    early = await auth.sign_in.login(ADA.email, PASSWORD)
    ada = await sign_in(auth, provider)
    assert (ada.account.id, ada.account.holder.name) == (user_id, "Ada")
    assert await reason_of(auth.sign_in.login(ADA.email, PASSWORD)) == "INVALID_CREDENTIALS"
    assert await reason_of(auth.sign_in.refresh(early.refresh_token)) == "INVALID_REFRESH_TOKEN"
    code = (await auth.codes(user_id))[-1]
    assert await reason_of(auth.registration.verify_email(ADA.email, code)) == "INVALID_VERIFICATION_CODE"


async def test_an_account_with_an_app_still_needs_its_code_and_the_ticket_waits_for_it(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    person, app, _ = await with_app(auth)
    answer = await begin(auth, provider)
    assert await reason_of(complete(auth, answer)) == "SECOND_FACTOR_REQUIRED"
    assert await auth.cases.provider_sign_in.list_identities(person.account.id) == ()
    wrong = replace(answer, second_factor="000000")
    assert await reason_of(complete(auth, wrong)) == "INVALID_SECOND_FACTOR"
    signed_in = await complete(auth, replace(answer, second_factor=code_now(auth, app)))
    assert claims_of(signed_in)["amr"] == ["fed", "otp", "mfa"]
    auth.clock.advance(STEP)
    used = replace(answer, second_factor=code_now(auth, app))
    assert await reason_of(complete(auth, used)) == "PROVIDER_SIGN_IN_INVALID"


async def test_a_sign_in_is_completed_once_even_by_many_at_once(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    answer = await begin(auth, provider)
    found = await asyncio.gather(*(complete(auth, answer) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(each, SignInResult) for each in found) == 1
    assert {each.reason for each in found if isinstance(each, DomainError)} == {"PROVIDER_SIGN_IN_INVALID"}


async def test_an_answer_is_good_only_for_who_began(auth: AuthHarness, provider: SmallProvider) -> None:
    mallory = await begin(auth, provider, Person("1", "mallory@campus.test"))
    victim = await begin(auth, provider)
    for mixed in (
        replace(mallory, ticket=victim.ticket),
        replace(victim, state=mallory.state),
        replace(victim, ticket="unknown"),
        replace(victim, state=""),
    ):
        assert await reason_of(complete(auth, mixed)) == "PROVIDER_SIGN_IN_INVALID"
    # The code of another sign-in has another challenge, and uses this sign-in up.
    assert await reason_of(complete(auth, replace(victim, code=mallory.code))) == "PROVIDER_SIGN_IN_INVALID"
    assert await reason_of(complete(auth, victim)) == "PROVIDER_SIGN_IN_INVALID"


NOW = int(time.time())


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": ["another"]},
        {"iss": "https://login.example.edu"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": ["internshipconnect", "another-client"]},
        {"azp": "another-client"},
        {"exp": NOW - 3600},
        {"exp": None},
        {"iat": NOW - 7200},
        {"iat": NOW + 7200},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "a\nb"},
    ],
    ids=str,
)
async def test_a_token_that_says_anything_wrong_signs_nobody_in(
    auth: AuthHarness, provider: SmallProvider, claims: dict[str, Any]
) -> None:
    provider.claims.update(claims)
    assert await reason_of(sign_in(auth, provider)) == "PROVIDER_SIGN_IN_INVALID"
    assert await auth.accounts.find_user_id(ADA.email) is None


async def test_a_signature_of_another_key_signs_nobody_in(auth: AuthHarness, provider: SmallProvider) -> None:
    provider.signer = generate_private_key(65537, 2048)
    assert await reason_of(sign_in(auth, provider)) == "PROVIDER_SIGN_IN_INVALID"


async def test_a_provider_that_names_another_issuer_is_not_believed(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    provider.metadata["issuer"] = "https://login.example.edu"
    assert await reason_of(auth.cases.provider_sign_in.begin("campus")) == "UNAVAILABLE"
    provider.metadata.update(issuer=provider.issuer, token_endpoint="http://192.0.2.1/token")
    assert await reason_of(auth.cases.provider_sign_in.begin("campus")) == "UNAVAILABLE"


async def test_a_provider_that_is_away_is_said_to_be(auth: AuthHarness, provider: SmallProvider) -> None:
    answer = await begin(auth, provider)
    await provider.stop()
    assert await reason_of(complete(auth, answer)) == "UNAVAILABLE"
    assert await reason_of(auth.cases.provider_sign_in.begin("elsewhere")) == "PROVIDER_NOT_FOUND"


async def test_an_address_that_the_provider_gave_to_somebody_else_does_not_open_the_account(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    ada = await sign_in(auth, provider)
    assert await reason_of(sign_in(auth, provider, replace(ADA, subject="another"))) == "IDENTITY_CONFLICT"
    moved = await sign_in(auth, provider, replace(ADA, email="ada@elsewhere.test"))
    assert (moved.account.id, moved.account.email) == (ada.account.id, ADA.email)


async def test_an_unlinked_identity_signs_in_no_more_unless_its_address_links_it_again(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    ada = await sign_in(auth, provider)
    cases = auth.cases.provider_sign_in
    [identity] = await cases.list_identities(ada.account.id)
    assert (identity.provider_id, identity.email) == ("campus", ADA.email)
    await cases.unlink(ada.account.id, identity.id)
    assert await reason_of(cases.unlink(ada.account.id, identity.id)) == "IDENTITY_NOT_FOUND"
    unverified = replace(ADA, email_verified=False)
    assert await reason_of(sign_in(auth, provider, unverified)) == "PROVIDER_EMAIL_UNVERIFIED"
    assert (await sign_in(auth, provider)).account.id == ada.account.id


async def test_a_suspended_account_stays_so_when_a_provider_proves_its_owner(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    ada = await sign_in(auth, provider)
    await in_state(auth, ada.account.id, AccountState.SUSPENDED)
    assert await reason_of(sign_in(auth, provider)) == "ACCOUNT_LOCKED"


async def test_no_other_provider_opens_the_accounts_of_staff(
    auth: AuthHarness, provider: SmallProvider
) -> None:
    user_id = (await auth.verified(ADA.email)).account.id
    account = await auth.accounts.get_or_raise(user_id)
    staff = replace(account, holder=replace(account.holder, kind=AccountKind.ADMIN))
    await auth.accounts.update_with_session(user_id, lambda _: AccountChange(None, account=staff))
    assert await reason_of(sign_in(auth, provider)) == "PERMISSION_DENIED"
