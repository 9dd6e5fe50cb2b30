import asyncio
from datetime import timedelta

import pytest

from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from internshipconnect.events.v1.events_pb2 import (
    RegistrationRepeated,
    UserRegistered,
    UserVerified,
    VerificationRequested,
)
from services.auth.domain.accounts import AccountKind, AccountState
from services.auth.domain.codes import MAX_GUESSES_OF_REGISTRANT, MAX_GUESSES_PER_CODE
from services.auth.domain.visitor import UNKNOWN_VISITOR, Visitor
from tests.databases import read_outbox
from tests.integration.auth.conftest import PASSWORD, AuthHarness

EMAIL = "ada@campus.test"
OTHER_PASSWORD = "violet anchor prism 3"


async def refused(
    auth: AuthHarness, code: str, email: str = EMAIL, visitor: Visitor = UNKNOWN_VISITOR
) -> str:
    with pytest.raises(DomainError) as failure:
        await auth.registration.verify_email(email, code, visitor)
    return failure.value.reason


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**8:08}"


async def test_registering_opens_a_pending_account_and_has_a_code_sent(auth: AuthHarness) -> None:
    user_id = await auth.register("Ada@Campus.TEST")
    account = await auth.accounts.get(user_id)
    assert account is not None
    assert (account.state, account.email) == (AccountState.PENDING_VERIFICATION, "Ada@Campus.TEST")
    [registered] = await read_outbox(auth.shards, UserRegistered, user_id)
    [requested] = await read_outbox(auth.shards, VerificationRequested, user_id)
    assert (registered.email, registered.name) == ("Ada@Campus.TEST", "Ada")
    assert len(requested.code) == 8
    assert requested.expire_time.ToDatetime() == (auth.clock.now() + timedelta(minutes=15)).replace(
        tzinfo=None
    )


async def test_a_company_account_brings_its_company_and_owns_it(auth: AuthHarness) -> None:
    user_id = await auth.register("owner@acme.test", company="Acme")
    [registered] = await read_outbox(auth.shards, UserRegistered, user_id)
    assert registered.company_id.startswith("cmp_")
    assert (registered.company_name, registered.role) == ("Acme", 1)


async def test_neither_code_nor_password_is_kept_readable(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL)
    [code] = await auth.codes(user_id)
    stored = str(await auth.shards.shard_for(user_id).db["accounts"].find_one({"_id": user_id}))
    assert code not in stored
    assert PASSWORD not in stored


async def test_twenty_registrations_of_one_address_at_once_give_one_account(auth: AuthHarness) -> None:
    await asyncio.gather(*(auth.register(EMAIL, name=f"Ada {number}") for number in range(20)))
    accounts = [
        document
        for shard in auth.shards.all_shards()
        for document in await shard.db["accounts"].find({}).to_list(None)
    ]
    assert len(accounts) == 1
    assert len(await auth.codes(accounts[0]["_id"])) == 20


async def test_a_registration_that_broke_off_before_its_account_is_taken_over(auth: AuthHarness) -> None:
    abandoned = new_id("usr")
    await auth.accounts.reserve_address(EMAIL, abandoned, auth.clock.now())
    assert await auth.register(EMAIL) == abandoned
    assert await auth.accounts.get(abandoned) is not None


async def test_the_right_code_makes_the_account_active_and_signs_in(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL)
    [code] = await auth.codes(user_id)
    signed_in = await auth.registration.verify_email(EMAIL, code)
    assert signed_in.account.state is AccountState.ACTIVE
    assert signed_in.account.email_verified
    assert len(await read_outbox(auth.shards, UserVerified, user_id)) == 1
    assert (await auth.sign_in.refresh(signed_in.refresh_token)).account.id == user_id


async def test_a_code_works_once(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL)
    [code] = await auth.codes(user_id)
    answers = await asyncio.gather(
        *(auth.registration.verify_email(EMAIL, code) for _ in range(4)), return_exceptions=True
    )
    assert sum(not isinstance(answer, DomainError) for answer in answers) == 1
    assert len(await read_outbox(auth.shards, UserVerified, user_id)) == 1


OWNER = Visitor(("192.0.2.1",))
OTHERS = [Visitor((f"2001:db8:{number}::/64", f"2001:db8:{number}::/48")) for number in range(5)]


async def test_five_other_clients_who_guess_and_register_do_not_lock_out_the_owner_with_the_right_code(
    auth: AuthHarness,
) -> None:
    user_id = await auth.register(EMAIL, visitor=OWNER)
    [code] = await auth.codes(user_id)
    for other in OTHERS:
        for _ in range(5):
            await auth.register(EMAIL, OTHER_PASSWORD, name="Eve", visitor=other)
            assert await refused(auth, wrong(code), visitor=other) == "INVALID_VERIFICATION_CODE"
        await asyncio.gather(
            *(refused(auth, wrong(code), visitor=other) for _ in range(MAX_GUESSES_PER_CODE))
        )
    signed_in = await auth.registration.verify_email(EMAIL, code, OWNER)
    assert signed_in.account.id == user_id
    assert (await auth.sign_in.login(EMAIL, PASSWORD)).account.holder.name == "Ada"


async def test_the_client_that_registered_has_ten_tries_and_gets_a_fresh_code_by_registering_again(
    auth: AuthHarness,
) -> None:
    user_id = await auth.register(EMAIL, visitor=OWNER)
    [code] = await auth.codes(user_id)
    await asyncio.gather(
        *(refused(auth, wrong(code), visitor=OTHERS[0]) for _ in range(MAX_GUESSES_PER_CODE))
    )
    for _ in range(MAX_GUESSES_OF_REGISTRANT):
        await refused(auth, wrong(code), visitor=OWNER)
    assert await refused(auth, code, visitor=OWNER) == "INVALID_VERIFICATION_CODE"
    await auth.register(EMAIL, visitor=OWNER)
    fresh = (await auth.codes(user_id))[-1]
    assert (await auth.registration.verify_email(EMAIL, fresh, OWNER)).account.id == user_id


async def test_a_code_that_others_have_worn_out_is_dead_for_them(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL, visitor=OWNER)
    [code] = await auth.codes(user_id)
    for other in OTHERS:
        await asyncio.gather(*(refused(auth, wrong(code), visitor=other) for _ in range(10)))
    assert await refused(auth, code, visitor=OTHERS[0]) == "INVALID_VERIFICATION_CODE"


async def test_the_language_of_the_registration_goes_with_its_code_and_with_the_account(
    auth: AuthHarness,
) -> None:
    user_id = await auth.register(EMAIL, locale="de")
    [requested] = await read_outbox(auth.shards, VerificationRequested, user_id)
    [registered] = await read_outbox(auth.shards, UserRegistered, user_id)
    assert (requested.locale, registered.locale) == ("de", "de")


async def test_after_as_many_wrong_codes_as_all_have_the_right_one_is_refused_until_a_new_one_is_sent(
    auth: AuthHarness,
) -> None:
    user_id = await auth.register(EMAIL)
    [code] = await auth.codes(user_id)
    for _ in range(MAX_GUESSES_PER_CODE):
        assert await refused(auth, wrong(code)) == "INVALID_VERIFICATION_CODE"
    assert await refused(auth, code) == "INVALID_VERIFICATION_CODE"
    await auth.register(EMAIL)
    assert await refused(auth, code) == "INVALID_VERIFICATION_CODE"
    newest = (await auth.codes(user_id))[-1]
    assert (await auth.registration.verify_email(EMAIL, newest)).account.id == user_id


async def test_concurrent_guesses_do_not_pass_the_limit(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL)
    [code] = await auth.codes(user_id)
    await asyncio.gather(*(refused(auth, wrong(code)) for _ in range(2 * MAX_GUESSES_PER_CODE)))
    assert await refused(auth, code) == "INVALID_VERIFICATION_CODE"


async def test_a_code_expires(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL)
    [code] = await auth.codes(user_id)
    auth.clock.advance(timedelta(minutes=15))
    assert await refused(auth, code) == "INVALID_VERIFICATION_CODE"


async def test_an_unknown_address_and_a_wrong_code_are_refused_alike(auth: AuthHarness) -> None:
    assert await refused(auth, "12345678", "nobody@campus.test") == "INVALID_VERIFICATION_CODE"


async def test_registering_a_pending_address_again_ends_the_sessions_of_the_first_password(
    auth: AuthHarness,
) -> None:
    user_id = await auth.register(EMAIL, OTHER_PASSWORD, name="Eve")
    eve = await auth.sign_in.login(EMAIL, OTHER_PASSWORD)
    assert await auth.register(EMAIL) == user_id
    with pytest.raises(DomainError) as failure:
        await auth.sign_in.refresh(eve.refresh_token)
    assert failure.value.reason == "INVALID_REFRESH_TOKEN"
    assert len(auth.revocations.revoked) == 1


async def test_the_owners_code_brings_the_owners_password_although_eve_registered_later(
    auth: AuthHarness,
) -> None:
    user_id = await auth.register(EMAIL, PASSWORD, name="Ada")
    await auth.register(EMAIL, OTHER_PASSWORD, name="Eve", company="Evil")
    eve = await auth.sign_in.login(EMAIL, OTHER_PASSWORD)
    owners, _ = await auth.codes(user_id)
    await auth.registration.verify_email(EMAIL, owners)
    assert (await auth.sign_in.login(EMAIL, PASSWORD)).account.holder.name == "Ada"
    for attempt in (
        auth.sign_in.login(EMAIL, OTHER_PASSWORD),
        auth.sign_in.refresh(eve.refresh_token),
    ):
        with pytest.raises(DomainError):
            await attempt
    news = await read_outbox(auth.shards, UserRegistered, user_id)
    told_last = max(news, key=lambda event: event.account_version)
    assert (told_last.name, told_last.company_id) == ("Ada", "")


async def test_registering_a_proven_address_changes_nothing_and_notifies_its_owner(auth: AuthHarness) -> None:
    signed_in = await auth.verified(EMAIL)
    user_id = await auth.register(EMAIL, OTHER_PASSWORD, name="Eve")
    assert user_id == signed_in.account.id
    assert await auth.accounts.get(user_id) == signed_in.account
    assert len(await read_outbox(auth.shards, RegistrationRepeated, user_id)) == 1
    await auth.sign_in.login(EMAIL, PASSWORD)


async def test_a_password_that_is_easy_to_guess_is_refused_whether_or_not_the_address_is_known(
    auth: AuthHarness,
) -> None:
    await auth.verified(EMAIL)
    for email in (EMAIL, "nobody@campus.test"):
        with pytest.raises(DomainError) as failure:
            await auth.registration.register(
                email=email, password="password123", name="Ada", kind=AccountKind.STUDENT
            )
        assert failure.value.violations[0].field == "password"


async def test_everything_of_a_user_lives_in_the_users_slot(auth: AuthHarness) -> None:
    signed_in = await auth.verified(EMAIL)
    db = auth.shards.shard_for(signed_in.account.id).db
    slots = {
        document["slot"]
        for name in ("accounts", "sessions", "outbox")
        async for document in db[name].find({})
    }
    assert slots == {slot_of(signed_in.account.id)}
