"""Passkeys on real stores: adding, signing in, fresh proofs, removal, and what others try with them."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from internshipconnect.events.v1 import events_pb2
from services.auth.domain.accounts import AccountState
from services.auth.domain.security_events import SecurityVerb
from services.auth.domain.sign_in_policy import SignInPolicy
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import Visitor
from tests.databases import read_outbox
from tests.integration.auth.conftest import ISSUER, AuthHarness, build_auth_harness
from tests.integration.auth.test_second_factors import session_of, with_app
from tests.integration.auth.test_security_events import verbs_of
from tests.integration.auth.test_signing_in import claims_of, reason_of
from tests.software_authenticator import BACKUP_ELIGIBLE, VERIFIED, SoftwareAuthenticator

EMAIL = "ada@campus.test"
PASSWORD_ONLY = ("pwd",)
LAPTOP = Visitor(("192.0.2.1",), b"Firefox")


def new_device(**fields: Any) -> SoftwareAuthenticator:
    return SoftwareAuthenticator(ISSUER, "example.com", **fields)


async def add(auth: AuthHarness, user_id: str, device: SoftwareAuthenticator, name: str = "Laptop") -> str:
    """Add a passkey and return its ID."""
    passkeys = auth.cases.manage_passkeys
    ticket, options = await passkeys.begin(user_id)
    return (await passkeys.complete(user_id, PASSWORD_ONLY, ticket, device.create(options), name)).id


async def with_passkey(
    auth: AuthHarness, device: SoftwareAuthenticator, email: str = EMAIL
) -> tuple[SignInResult, str]:
    person = await auth.verified(email)
    return person, await add(auth, person.account.id, device)


async def sign_in(auth: AuthHarness, device: SoftwareAuthenticator) -> SignInResult:
    ticket, options = await auth.cases.passkey_sign_in.begin()
    return await auth.cases.passkey_sign_in.complete(ticket, device.get(options), LAPTOP)


async def test_a_passkey_signs_in_without_password_as_two_factors(auth: AuthHarness) -> None:
    device = new_device(sign_count=1)
    person, passkey_id = await with_passkey(auth, device)
    auth.clock.advance(timedelta(hours=1))
    signed_in = await sign_in(auth, device)
    assert signed_in.account.id == person.account.id
    assert claims_of(signed_in)["amr"] == ["hwk", "user", "mfa"]
    [listed] = await auth.cases.manage_passkeys.list_passkeys(person.account.id)
    assert (listed.id, listed.last_use_time, listed.sign_count) == (passkey_id, auth.clock.now(), 2)
    await auth.sign_in.refresh(signed_in.refresh_token, LAPTOP)
    changes = await read_outbox(auth.shards, events_pb2.SecondFactorChanged, person.account.id)
    assert [each.change for each in changes] == [events_pb2.SECOND_FACTOR_CHANGE_PASSKEY_ADDED]


async def test_a_synced_passkey_signs_in_as_software(auth: AuthHarness) -> None:
    device = new_device(flags=VERIFIED | BACKUP_ELIGIBLE)
    await with_passkey(auth, device)
    assert claims_of(await sign_in(auth, device))["amr"] == ["swk", "user", "mfa"]
    device.flags = VERIFIED
    assert await reason_of(sign_in(auth, device)) == "PASSKEY_INVALID"


async def test_each_challenge_is_good_once_and_for_what_it_was_made(auth: AuthHarness) -> None:
    device = new_device()
    person, _ = await with_passkey(auth, device)
    signing, passkeys = auth.cases.passkey_sign_in, auth.cases.manage_passkeys
    ticket, options = await signing.begin()
    answer = device.get(options)
    tries = (signing.complete(ticket, answer, LAPTOP) for _ in range(5))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, SignInResult) for each in answers) == 1
    assert await reason_of(signing.complete(ticket, answer, LAPTOP)) == "PASSKEY_INVALID"

    ticket, options = await passkeys.begin(person.account.id)
    assert await reason_of(signing.complete(ticket, device.get(options), LAPTOP)) == "PASSKEY_INVALID"
    ticket, _ = await signing.begin()
    created = new_device().create(options)
    completing = passkeys.complete(person.account.id, PASSWORD_ONLY, ticket, created, "x")
    assert await reason_of(completing) == "PASSKEY_INVALID"


async def test_a_registration_is_completed_by_who_began_it(auth: AuthHarness) -> None:
    person, other = await auth.verified(EMAIL), await auth.verified("mallory@campus.test")
    ticket, options = await auth.cases.manage_passkeys.begin(person.account.id)
    credential = new_device().create(options)
    completing = auth.cases.manage_passkeys.complete(other.account.id, PASSWORD_ONLY, ticket, credential, "x")
    assert await reason_of(completing) == "PASSKEY_INVALID"
    assert await auth.cases.manage_passkeys.list_passkeys(other.account.id) == ()


async def test_a_credential_belongs_to_one_account_even_in_a_race(auth: AuthHarness) -> None:
    people = [(await auth.verified(f"{name}@campus.test")).account.id for name in ("ada", "bob", "cyd")]
    device = new_device()
    added = await asyncio.gather(*(add(auth, each, device) for each in people), return_exceptions=True)
    assert sum(isinstance(each, str) for each in added) == 1
    assert {await reason_of(add(auth, each, device)) for each in people} == {"PASSKEY_IN_USE"}
    owner = people[next(i for i, each in enumerate(added) if isinstance(each, str))]
    assert (await sign_in(auth, device)).account.id == owner


async def test_a_counter_that_goes_back_refuses_the_passkey_and_informs_its_owner(auth: AuthHarness) -> None:
    device = new_device(sign_count=5)
    person, passkey_id = await with_passkey(auth, device)
    await sign_in(auth, device)
    device.sign_count = 3
    assert await reason_of(sign_in(auth, device)) == "PASSKEY_REFUSED"
    device.sign_count = 100
    assert await reason_of(sign_in(auth, device)) == "PASSKEY_REFUSED"
    assert (await verbs_of(auth, person.account.id)).count(SecurityVerb.PASSKEY_REFUSED) == 1
    changes = await read_outbox(auth.shards, events_pb2.SecondFactorChanged, person.account.id)
    added, refused = (
        events_pb2.SECOND_FACTOR_CHANGE_PASSKEY_ADDED,
        events_pb2.SECOND_FACTOR_CHANGE_PASSKEY_REFUSED,
    )
    assert sorted(each.change for each in changes) == [added, refused]
    await auth.cases.manage_passkeys.remove(person.account.id, PASSWORD_ONLY, passkey_id)
    assert await reason_of(sign_in(auth, device)) == "PASSKEY_INVALID"


async def test_a_removed_passkey_can_be_added_to_another_account(auth: AuthHarness) -> None:
    device = new_device()
    person, passkey_id = await with_passkey(auth, device)
    other = await auth.verified("bob@campus.test")
    await auth.cases.manage_passkeys.remove(person.account.id, PASSWORD_ONLY, passkey_id)
    await add(auth, other.account.id, device)
    assert (await sign_in(auth, device)).account.id == other.account.id
    verbs = await verbs_of(auth, person.account.id)
    assert verbs[-2:] == [SecurityVerb.PASSKEY_ADDED, SecurityVerb.PASSKEY_REMOVED]


async def test_a_passkey_gets_another_name(auth: AuthHarness) -> None:
    person, passkey_id = await with_passkey(auth, new_device())
    passkeys = auth.cases.manage_passkeys
    assert (await passkeys.rename(person.account.id, passkey_id, "Phone")).name == "Phone"
    other = await auth.verified("bob@campus.test")
    assert await reason_of(passkeys.rename(other.account.id, passkey_id, "x")) == "PASSKEY_NOT_FOUND"
    assert (
        await reason_of(passkeys.remove(other.account.id, PASSWORD_ONLY, passkey_id)) == "PASSKEY_NOT_FOUND"
    )


async def test_a_locked_account_says_so_only_to_who_has_signed(auth: AuthHarness) -> None:
    device = new_device()
    person, _ = await with_passkey(auth, device)
    stored = await auth.accounts.get_or_raise(person.account.id)
    await auth.cases.administration.suspend(stored.id, "spam")
    assert (await auth.accounts.get_or_raise(stored.id)).state is AccountState.SUSPENDED
    forged = new_device(sign_count=0)
    forged.credential_id, forged.user_handle = device.credential_id, device.user_handle
    assert await reason_of(sign_in(auth, forged)) == "PASSKEY_INVALID"
    assert await reason_of(sign_in(auth, device)) == "ACCOUNT_LOCKED"


@pytest.mark.parametrize("known", [True, False])
async def test_wrong_signatures_and_unknown_passkeys_run_into_the_throttle_alike(
    auth: AuthHarness, known: bool
) -> None:
    strict = build_auth_harness(auth.shards, auth.redis, auth.clock, auth.data_key, policy=SignInPolicy())
    device = new_device()
    if known:
        await with_passkey(strict, device, "throttled@campus.test")
    forged = new_device()
    forged.credential_id = device.credential_id
    reasons = [await reason_of(sign_in(strict, forged)) for _ in range(6)]
    assert reasons == ["PASSKEY_INVALID"] * 5 + ["RATE_LIMITED"]


async def test_a_passkey_is_a_fresh_proof_of_its_own_account_only(auth: AuthHarness) -> None:
    device, foreign = new_device(), new_device()
    person, _ = await with_passkey(auth, device)
    other = await auth.verified("bob@campus.test")
    await add(auth, other.account.id, foreign)
    auth.clock.advance(timedelta(hours=1))
    signing, session = auth.cases.passkey_sign_in, session_of(person)
    ticket, options = await signing.begin()
    answer = foreign.get(options)
    refused = signing.reauthenticate(person.account.id, session, ticket, answer, LAPTOP)
    assert await reason_of(refused) == "PASSKEY_INVALID"
    ticket, options = await signing.begin()
    renewed = await signing.reauthenticate(person.account.id, session, ticket, device.get(options), LAPTOP)
    claims = claims_of(renewed)
    assert claims["auth_time"] == int(auth.clock.now().timestamp())
    assert claims["amr"] == ["hwk", "user", "mfa"]
    assert renewed.refresh_token == ""


async def test_where_an_app_is_on_a_password_alone_changes_no_passkeys(auth: AuthHarness) -> None:
    person, _, _ = await with_app(auth)
    user_id, passkeys = person.account.id, auth.cases.manage_passkeys
    ticket, options = await passkeys.begin(user_id)
    credential = new_device().create(options)
    completing = passkeys.complete(user_id, PASSWORD_ONLY, ticket, credential, "x")
    assert await reason_of(completing) == "SECOND_FACTOR_REQUIRED"
    ticket, options = await passkeys.begin(user_id)
    added = await passkeys.complete(user_id, ("pwd", "otp", "mfa"), ticket, new_device().create(options), "x")
    assert await reason_of(passkeys.remove(user_id, PASSWORD_ONLY, added.id)) == "SECOND_FACTOR_REQUIRED"


async def test_malformed_credentials_are_refused_and_count_for_nobody(auth: AuthHarness) -> None:
    signing = auth.cases.passkey_sign_in
    for credential in ("", "{}", "[]", "nonsense", json.dumps({"id": "AQID", "rawId": "AQID"})):
        ticket, _ = await signing.begin()
        assert await reason_of(signing.complete(ticket, credential, LAPTOP)) == "PASSKEY_INVALID"


async def test_a_passkey_of_an_earlier_key_does_not_sign_in(auth: AuthHarness) -> None:
    device = new_device()
    person, passkey_id = await with_passkey(auth, device)
    stored = (await auth.accounts.get_or_raise(person.account.id)).passkeys[0]
    assert replace(stored, name="").public_key == stored.public_key
    await auth.cases.manage_passkeys.remove(person.account.id, PASSWORD_ONLY, passkey_id)
    again = new_device()
    again.credential_id = device.credential_id
    await add(auth, person.account.id, again)
    assert await reason_of(sign_in(auth, device)) == "PASSKEY_INVALID"
    await sign_in(auth, again)
