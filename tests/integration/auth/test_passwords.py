"""Passwords that are forgotten, and those that are changed."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest

from internshipconnect.events.v1.events_pb2 import PasswordReplaced, PasswordResetRequested
from services.auth.domain.accounts import Account, AccountState
from services.auth.domain.codes import CODE_LIFE
from services.auth.domain.visitor import Visitor
from services.auth.repository import AccountChange
from tests.databases import read_outbox
from tests.integration.auth.conftest import PASSWORD, AuthHarness
from tests.integration.auth.test_signing_in import claims_of, in_state, reason_of

EMAIL = "ada@campus.test"
NEW_PASSWORD = "violet anchor prism 3"
LAPTOP = Visitor(("192.0.2.1",), b"Firefox", program="Firefox")
ELSEWHERE = Visitor(("198.51.100.9",), b"curl")


async def requested_code(auth: AuthHarness, user_id: str, email: str = EMAIL) -> str:
    auth.clock.advance(timedelta(milliseconds=1))
    await auth.passwords.request_reset(email, LAPTOP)
    return str((await read_outbox(auth.shards, PasswordResetRequested, user_id))[-1].code)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**8:08}"


async def test_the_code_replaces_a_forgotten_password_and_ends_every_session(auth: AuthHarness) -> None:
    signed_in = await auth.verified(EMAIL)
    code = await requested_code(auth, signed_in.account.id, "ADA@Campus.test")
    await auth.passwords.reset(EMAIL, code, NEW_PASSWORD, LAPTOP)
    assert await reason_of(auth.sign_in.login(EMAIL, PASSWORD)) == "INVALID_CREDENTIALS"
    assert await reason_of(auth.sign_in.refresh(signed_in.refresh_token)) == "INVALID_REFRESH_TOKEN"
    assert signed_in.refresh_token.partition(".")[0] in auth.revocations.revoked
    await auth.sign_in.login(EMAIL, NEW_PASSWORD)
    [replaced] = await read_outbox(auth.shards, PasswordReplaced, signed_in.account.id)
    assert replaced.email == EMAIL


async def test_a_code_for_a_password_works_once_even_for_many_at_once(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    code = await requested_code(auth, user_id)
    answers = await asyncio.gather(
        *(auth.passwords.reset(EMAIL, code, f"{NEW_PASSWORD} {n}", LAPTOP) for n in range(6)),
        return_exceptions=True,
    )
    assert sum(answer is None for answer in answers) == 1
    assert len(await read_outbox(auth.shards, PasswordReplaced, user_id)) == 1


async def test_only_the_newest_code_is_good_and_for_a_quarter_of_an_hour(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    first, second = await requested_code(auth, user_id), await requested_code(auth, user_id)
    assert first != second
    assert await reason_of(auth.passwords.reset(EMAIL, first, NEW_PASSWORD)) == "INVALID_RESET_CODE"
    auth.clock.advance(CODE_LIFE)
    assert await reason_of(auth.passwords.reset(EMAIL, second, NEW_PASSWORD)) == "INVALID_RESET_CODE"
    await auth.sign_in.login(EMAIL, PASSWORD)


async def test_guesses_use_a_code_up_but_not_where_it_was_asked_for(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    code = await requested_code(auth, user_id)
    for _ in range(51):
        await reason_of(auth.passwords.reset(EMAIL, wrong(code), NEW_PASSWORD, ELSEWHERE))
    assert await reason_of(auth.passwords.reset(EMAIL, code, NEW_PASSWORD, ELSEWHERE)) == "INVALID_RESET_CODE"
    await auth.passwords.reset(EMAIL, code, NEW_PASSWORD, LAPTOP)


async def test_the_code_of_a_registration_replaces_no_password(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL)
    [code] = await auth.codes(user_id)
    assert await reason_of(auth.passwords.reset(EMAIL, code, NEW_PASSWORD)) == "INVALID_RESET_CODE"


@pytest.mark.parametrize("email", [EMAIL, "nobody@campus.test"])
async def test_no_code_is_made_for_an_address_without_a_verified_account(
    auth: AuthHarness, email: str
) -> None:
    await auth.register(EMAIL)
    await auth.passwords.request_reset(email, LAPTOP)
    events = [
        event
        for shard in auth.shards.all_shards()
        for event in await shard.db["outbox"].find({"type": "auth.password_reset.requested"}).to_list(None)
    ]
    assert len(events) == 1
    assert email.encode() not in bytes(events[0]["event"])
    assert await reason_of(auth.passwords.reset(email, "12345678", NEW_PASSWORD)) == "INVALID_RESET_CODE"


async def test_a_weak_password_is_refused_by_its_field_and_the_code_stays_good(auth: AuthHarness) -> None:
    code = await requested_code(auth, (await auth.verified(EMAIL)).account.id)
    assert await reason_of(auth.passwords.reset(EMAIL, code, "password123")) == "INVALID_FIELD"
    await auth.passwords.reset(EMAIL, code, NEW_PASSWORD)


async def test_a_reset_lifts_a_lock_and_forgets_failures_but_ends_no_suspension(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    for state, then in ((AccountState.LOCKED, ""), (AccountState.SUSPENDED, "ACCOUNT_LOCKED")):
        await in_state(auth, user_id, state)
        await auth.passwords.reset(EMAIL, await requested_code(auth, user_id), f"{NEW_PASSWORD} {state}")
        if then:
            assert await reason_of(auth.sign_in.login(EMAIL, f"{NEW_PASSWORD} {state}")) == then
        else:
            await auth.sign_in.login(EMAIL, f"{NEW_PASSWORD} {state}")


async def test_changing_a_password_keeps_only_the_session_that_begins_with_it(auth: AuthHarness) -> None:
    earlier = await auth.verified(EMAIL)
    auth.clock.advance(timedelta(seconds=1))
    changed = await auth.passwords.change(earlier.account.id, PASSWORD, NEW_PASSWORD, LAPTOP)
    assert await reason_of(auth.sign_in.refresh(earlier.refresh_token)) == "INVALID_REFRESH_TOKEN"
    await auth.sign_in.refresh(changed.refresh_token, LAPTOP)
    await auth.sign_in.login(EMAIL, NEW_PASSWORD)


async def test_the_present_password_is_needed_and_another_one_wanted(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    for present, wanted in (("not it at all", NEW_PASSWORD), (PASSWORD, PASSWORD), (PASSWORD, "password12")):
        assert await reason_of(auth.passwords.change(user_id, present, wanted)) == "INVALID_FIELD"
    await auth.sign_in.login(EMAIL, PASSWORD)


async def test_two_changes_at_once_leave_one_password(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    answers = await asyncio.gather(
        *(auth.passwords.change(user_id, PASSWORD, f"{NEW_PASSWORD} {n}") for n in range(4)),
        return_exceptions=True,
    )
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1


async def test_a_short_password_is_good_only_beside_a_second_factor(auth: AuthHarness) -> None:
    short = "Kx9#mQ2$vL"
    user_id = (await auth.verified(EMAIL)).account.id
    assert await reason_of(auth.passwords.change(user_id, PASSWORD, short)) == "INVALID_FIELD"
    code = await requested_code(auth, user_id)
    assert await reason_of(auth.passwords.reset(EMAIL, code, short, LAPTOP)) == "INVALID_FIELD"
    assert await reason_of(auth.passwords.reset(EMAIL, wrong(code), short, LAPTOP)) == "INVALID_RESET_CODE"
    await auth.passwords.reset(EMAIL, code, NEW_PASSWORD, LAPTOP)

    factors = auth.cases.manage_second_factors
    app = pyotp.TOTP((await factors.begin(user_id))[0])
    session_id = claims_of(await auth.sign_in.login(EMAIL, NEW_PASSWORD))["sid"]
    _, renewed = await factors.confirm(user_id, session_id, app.at(auth.clock.now()), LAPTOP)
    amr = tuple(claims_of(renewed)["amr"])
    await auth.passwords.change(user_id, NEW_PASSWORD, short, LAPTOP, amr=amr)
    assert await reason_of(factors.remove(user_id, amr)) == "PASSWORD_TOO_SHORT"
    await auth.passwords.change(user_id, short, NEW_PASSWORD, LAPTOP, amr=amr)
    await factors.remove(user_id, amr)
    await auth.sign_in.login(EMAIL, NEW_PASSWORD)


async def test_a_password_from_before_the_rule_still_signs_in(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    earlier = await auth.hasher.rehash_password("tin drum 47")

    def decide(account: Account | None) -> AccountChange[None]:
        assert account is not None
        return AccountChange(None, account=replace(account, password_hash=earlier))

    await auth.accounts.update_with_session(user_id, decide)
    await auth.sign_in.login(EMAIL, "tin drum 47")
