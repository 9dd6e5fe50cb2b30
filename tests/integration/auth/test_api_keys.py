"""API keys: made by owners, exchanged for tokens, revoked, and ended with a suspension."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt
from envoy.service.auth.v3 import external_auth_pb2

from chassis.errors import DomainError
from chassis.ids import new_id
from internshipconnect.events.v1.events_pb2 import ApiKeyChanged
from services.auth.api.gateway_checks import GatewayCheckServicer
from services.auth.domain.accounts import AccountPlan, CompanyMembership, CompanyRole
from services.auth.domain.api_keys import MAX_API_KEYS, ApiKey, ApiKeyScope
from services.auth.domain.sign_in_result import SignInResult
from services.auth.service.exchange_api_keys import KNOWN_KEY_TTL_S
from tests.databases import read_outbox
from tests.fakes.grpc_context import FakeGrpcContext
from tests.integration.auth.conftest import AuthHarness
from tests.integration.auth.test_signing_in import reason_of

EMAIL = "grace@acme.test"
SCOPES = (ApiKeyScope.LISTINGS_READ, ApiKeyScope.FIGURES_READ)
LIFE = timedelta(days=90)


async def an_owner(auth: AuthHarness) -> SignInResult:
    """Return somebody who has founded a company."""
    user_id = await auth.register(EMAIL, company="Acme")
    owner = await auth.registration.verify_email(EMAIL, (await auth.codes(user_id))[-1])
    holder = owner.account.holder
    founded = CompanyMembership(holder.company_id, "Acme", CompanyRole.OWNER, number=0, team_version=0)
    await auth.cases.memberships.record_founder(user_id, founded)
    return owner


async def make_key(auth: AuthHarness, owner: SignInResult, *, life: timedelta = LIFE) -> tuple[ApiKey, str]:
    auth.clock.advance(timedelta(milliseconds=1))
    return await auth.cases.api_keys.create(
        owner.account.id, company_of(owner), name="Careers page", scopes=SCOPES, life=life
    )


def company_of(owner: SignInResult) -> str:
    return owner.account.holder.company_id


async def exchange(auth: AuthHarness, secret: str) -> Any:
    token = await auth.cases.exchange_api_keys.exchange(secret)
    return jwt.decode(token, options={"verify_signature": False})


def forget_known_keys(auth: AuthHarness) -> None:
    auth.clock.advance(timedelta(seconds=KNOWN_KEY_TTL_S + 1))


async def test_a_key_calls_as_a_recruiter_of_its_company_within_its_scopes(auth: AuthHarness) -> None:
    owner = await an_owner(auth)
    await auth.cases.company_plans.set_plan(company_of(owner), AccountPlan.PRO)
    key, secret = await make_key(auth, owner)
    claims = await exchange(auth, secret)
    assert (claims["sub"], claims["sid"], claims["org"]) == (key.id, key.id, company_of(owner))
    assert (claims["kind"], claims["role"], claims["plan"]) == ("COMPANY", "RECRUITER", "PRO")
    assert claims["scope"] == "LISTINGS_READ FIGURES_READ"
    assert claims["exp"] - claims["iat"] == 60


async def test_another_secret_of_a_known_key_is_refused(auth: AuthHarness) -> None:
    owner = await an_owner(auth)
    _, secret = await make_key(auth, owner)
    forged = secret[:-43] + ("A" if secret[-43] != "A" else "B") + secret[-42:]
    for wrong in (forged, secret[:-1], f"{secret}=", "ick_", "", secret.replace("ick_", "ICK_")):
        assert await reason_of(auth.cases.exchange_api_keys.exchange(wrong)) == "API_KEY_INVALID"
    [listed] = await auth.cases.api_keys.list_keys(owner.account.id, company_of(owner))
    assert listed.last_use_day == ""
    await exchange(auth, secret)


async def test_the_day_of_the_last_use_is_shown(auth: AuthHarness) -> None:
    owner = await an_owner(auth)
    _, secret = await make_key(auth, owner)
    await asyncio.gather(*(exchange(auth, secret) for _ in range(5)))
    [used] = await auth.cases.api_keys.list_keys(owner.account.id, company_of(owner))
    assert used.last_use_day == auth.clock.now().date().isoformat()
    auth.clock.advance(timedelta(days=1))
    await exchange(auth, secret)
    [used] = await auth.cases.api_keys.list_keys(owner.account.id, company_of(owner))
    assert used.last_use_day == auth.clock.now().date().isoformat()


async def test_a_revoked_key_is_refused_within_seconds_and_its_tokens_at_once(auth: AuthHarness) -> None:
    owner = await an_owner(auth)
    key, secret = await make_key(auth, owner)
    await exchange(auth, secret)
    await auth.cases.api_keys.revoke(owner.account.id, company_of(owner), key.id)
    assert auth.revocations.revoked == {key.id}
    forget_known_keys(auth)
    assert await reason_of(exchange(auth, secret)) == "API_KEY_INVALID"
    again = auth.cases.api_keys.revoke(owner.account.id, company_of(owner), key.id)
    assert await reason_of(again) == "API_KEY_NOT_FOUND"


async def test_an_expired_key_is_refused_while_it_is_still_listed(auth: AuthHarness) -> None:
    owner = await an_owner(auth)
    key, secret = await make_key(auth, owner, life=timedelta(days=1))
    await exchange(auth, secret)
    auth.clock.advance(timedelta(days=1))
    assert await reason_of(exchange(auth, secret)) == "API_KEY_INVALID"
    listed = await auth.cases.api_keys.list_keys(owner.account.id, company_of(owner))
    assert [each.id for each in listed] == [key.id]


async def test_a_suspension_ends_all_keys_and_forbids_others_until_it_ends(auth: AuthHarness) -> None:
    owner = await an_owner(auth)
    key, secret = await make_key(auth, owner)
    follow = auth.cases.api_keys.follow_company
    await follow(company_of(owner), is_suspended=True, company_version=3)
    await follow(company_of(owner), is_suspended=False, company_version=2)
    assert auth.revocations.revoked == {key.id}
    forget_known_keys(auth)
    assert await reason_of(exchange(auth, secret)) == "API_KEY_INVALID"
    assert await reason_of(make_key(auth, owner)) == "COMPANY_SUSPENDED"
    await follow(company_of(owner), is_suspended=False, company_version=4)
    assert await reason_of(exchange(auth, secret)) == "API_KEY_INVALID"
    await make_key(auth, owner)


async def test_a_company_has_two_dozen_keys_however_many_are_made_at_once(auth: AuthHarness) -> None:
    owner = await an_owner(auth)
    for _ in range(MAX_API_KEYS - 2):
        await make_key(auth, owner)
    made = await asyncio.gather(*(make_key(auth, owner) for _ in range(5)), return_exceptions=True)
    refused = [each for each in made if isinstance(each, DomainError)]
    assert len(refused) == 3
    assert {each.reason for each in refused} == {"API_KEY_LIMIT_REACHED"}
    listed = await auth.cases.api_keys.list_keys(owner.account.id, company_of(owner))
    assert len(listed) == MAX_API_KEYS


async def test_owners_are_told_and_the_record_of_the_member_has_it(auth: AuthHarness) -> None:
    owner = await an_owner(auth)
    key, _ = await make_key(auth, owner)
    await auth.cases.api_keys.revoke(owner.account.id, company_of(owner), key.id)
    events = await read_outbox(auth.shards, ApiKeyChanged, company_of(owner))
    # Of two events within a millisecond the outbox keeps no order.
    assert sorted((each.change, each.api_key_name, list(each.owner_ids)) for each in events) == [
        (1, "Careers page", [owner.account.id]),
        (2, "Careers page", [owner.account.id]),
    ]
    page, _ = await auth.cases.security_events.list_own(owner.account.id, below=None, size=2)
    assert [(each.note.verb, each.note.target) for each in page] == [
        ("API_KEY_REVOKED", key.id),
        ("API_KEY_CREATED", key.id),
    ]


async def test_who_is_not_an_owner_any_more_makes_no_key_with_an_older_token(auth: AuthHarness) -> None:
    owner = await an_owner(auth)
    company = company_of(owner)
    demoted = CompanyMembership(company, "Acme", CompanyRole.RECRUITER, number=0, team_version=2)
    await auth.cases.memberships.apply(owner.account.id, demoted)
    assert await reason_of(make_key(auth, owner)) == "PERMISSION_DENIED"
    assert await reason_of(auth.cases.api_keys.list_keys(owner.account.id, company)) == "PERMISSION_DENIED"
    assert await reason_of(auth.cases.api_keys.list_keys(new_id("usr"), company)) == "PERMISSION_DENIED"


async def check(auth: AuthHarness, authorization: str) -> Any:
    """Return the answer to a request that came to the gateway with this header."""
    request = external_auth_pb2.CheckRequest()
    request.attributes.request.http.headers["authorization"] = authorization
    servicer = GatewayCheckServicer(auth.cases.exchange_api_keys)
    raw = await servicer.Check(request.SerializeToString(), FakeGrpcContext().as_context())
    return external_auth_pb2.CheckResponse.FromString(raw)


async def test_the_gateway_gets_a_token_in_the_keys_place_or_a_refusal(auth: AuthHarness) -> None:
    _, secret = await make_key(auth, await an_owner(auth))
    admitted = await check(auth, f"Bearer {secret}")
    [header] = admitted.ok_response.headers
    assert admitted.status.code == 0
    assert header.header.key == "authorization"
    assert header.header.value.startswith("Bearer eyJ")
    refused = await check(auth, f"Bearer {secret[:-1]}")
    assert (refused.status.code, refused.denied_response.status.code) == (16, 401)
    assert refused.denied_response.body == "API_KEY_INVALID"
