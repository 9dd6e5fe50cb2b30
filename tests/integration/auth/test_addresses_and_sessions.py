"""Addresses that are changed, codes that are sent again, and sessions as their owner sees them."""

import asyncio
from datetime import timedelta

from chassis.errors import DomainError
from chassis.ids import new_id
from internshipconnect.events.v1.events_pb2 import EmailChanged, EmailChangeRequested, UserRegistered
from services.auth.domain.visitor import Visitor
from tests.databases import read_outbox
from tests.integration.auth.conftest import PASSWORD, AuthHarness
from tests.integration.auth.test_signing_in import reason_of

EMAIL = "ada@campus.test"
NEW_EMAIL = "Ada@Home.test"
LAPTOP = Visitor(("192.0.2.1",), b"Firefox", program="Firefox")
PHONE = Visitor(("2001:db8::/64", "2001:db8::/56", "2001:db8::/48"), b"App", program="App 1.0")


async def requested_code(auth: AuthHarness, user_id: str, email: str = NEW_EMAIL) -> str:
    auth.clock.advance(timedelta(milliseconds=1))
    await auth.cases.change_address.request_change(user_id, email, PASSWORD, LAPTOP)
    return str((await read_outbox(auth.shards, EmailChangeRequested, user_id))[-1].code)


async def test_an_account_gets_the_address_that_a_code_proves(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    code = await requested_code(auth, user_id)
    after = await auth.cases.change_address.confirm_change(user_id, code, LAPTOP)
    assert after.email == NEW_EMAIL
    assert (await auth.sign_in.login(NEW_EMAIL, PASSWORD)).account.id == user_id
    assert await reason_of(auth.sign_in.login(EMAIL, PASSWORD)) == "INVALID_CREDENTIALS"
    [changed] = await read_outbox(auth.shards, EmailChanged, user_id)
    assert (changed.former_email, changed.email, changed.account_version) == (EMAIL, NEW_EMAIL, after.version)
    assert len(await read_outbox(auth.shards, UserRegistered, user_id)) == 1
    newcomer = await auth.register(EMAIL)
    assert newcomer != user_id


async def test_an_address_of_another_account_is_not_given_away_nor_disclosed(auth: AuthHarness) -> None:
    owner = (await auth.verified("grace@campus.test")).account.id
    user_id = (await auth.verified(EMAIL)).account.id
    assert await requested_code(auth, user_id, "grace@campus.test") == ""
    [requested] = await read_outbox(auth.shards, EmailChangeRequested, user_id)
    assert (requested.owner_id, requested.email) == (owner, "grace@campus.test")
    reason = await reason_of(auth.cases.change_address.confirm_change(user_id, "12345678", LAPTOP))
    assert reason == "INVALID_EMAIL_CODE"
    assert (await auth.sign_in.login("grace@campus.test", PASSWORD)).account.id == owner


async def test_of_two_who_want_one_address_the_first_to_prove_it_has_it(auth: AuthHarness) -> None:
    people = [(await auth.verified(f"{n}@campus.test")).account.id for n in range(2)]
    codes = [await requested_code(auth, user_id) for user_id in people]
    confirm = auth.cases.change_address.confirm_change
    calls = [confirm(user_id, code, LAPTOP) for user_id, code in zip(people, codes, strict=True)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    [winner] = [answer.id for answer in answers if not isinstance(answer, BaseException)]
    [refusal] = [answer for answer in answers if isinstance(answer, DomainError)]
    assert refusal.reason in ("UNAVAILABLE", "INVALID_EMAIL_CODE")
    auth.clock.advance(timedelta(minutes=2))
    loser = people.index(winner) ^ 1
    again = await reason_of(confirm(people[loser], codes[loser], LAPTOP))
    assert again == "INVALID_EMAIL_CODE"
    assert (await auth.sign_in.login(NEW_EMAIL, PASSWORD)).account.id == winner


async def test_an_unverified_registration_of_an_address_gives_way_to_who_proves_it(auth: AuthHarness) -> None:
    await auth.register(NEW_EMAIL)
    auth.clock.advance(timedelta(minutes=2))
    user_id = (await auth.verified(EMAIL)).account.id
    await auth.cases.change_address.confirm_change(user_id, await requested_code(auth, user_id), LAPTOP)
    assert (await auth.sign_in.login(NEW_EMAIL, PASSWORD)).account.id == user_id


async def test_a_change_that_broke_off_locks_nobody_out_and_is_done_again(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    code = await requested_code(auth, user_id)
    # The directory has the new address, the account not yet.
    await auth.accounts.reserve_address("ada@home.test", user_id, auth.clock.now())
    assert (await auth.sign_in.login(EMAIL, PASSWORD)).account.id == user_id
    assert await reason_of(auth.sign_in.login(NEW_EMAIL, PASSWORD)) == "INVALID_CREDENTIALS"
    await auth.cases.change_address.confirm_change(user_id, code, LAPTOP)
    # The directory still has the former one: as if the end had been cut off.
    await auth.accounts.reserve_address(EMAIL, user_id, auth.clock.now())
    assert await reason_of(auth.sign_in.login(EMAIL, PASSWORD)) == "INVALID_CREDENTIALS"
    auth.clock.advance(timedelta(minutes=2))
    assert await auth.register(EMAIL) != user_id


async def test_a_wrong_password_or_the_same_address_asks_for_nothing(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    request = auth.cases.change_address.request_change
    assert await reason_of(request(user_id, NEW_EMAIL, "not it at all", LAPTOP)) == "INVALID_FIELD"
    assert await reason_of(request(user_id, "ADA@campus.test", PASSWORD, LAPTOP)) == "INVALID_FIELD"
    assert await read_outbox(auth.shards, EmailChangeRequested, user_id) == []


async def test_a_code_is_sent_again_only_to_where_the_registration_came_from(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL, visitor=LAPTOP)
    auth.clock.advance(timedelta(milliseconds=1))
    await auth.registration.resend_code(EMAIL, PHONE)
    first, none = await auth.codes(user_id)
    assert none == ""
    auth.clock.advance(timedelta(milliseconds=1))
    await auth.registration.resend_code(EMAIL, LAPTOP)
    second = (await auth.codes(user_id))[-1]
    assert second not in ("", first)
    reason = await reason_of(auth.registration.verify_email(EMAIL, first, LAPTOP))
    assert reason == "INVALID_VERIFICATION_CODE"
    assert (await auth.registration.verify_email(EMAIL, second, LAPTOP)).account.id == user_id
    auth.clock.advance(timedelta(milliseconds=1))
    await auth.registration.resend_code(EMAIL, LAPTOP)
    assert (await auth.codes(user_id))[-1] == ""


async def test_a_registration_whose_code_has_expired_gets_another_code(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL, visitor=LAPTOP)
    auth.clock.advance(timedelta(hours=2))
    await auth.registration.resend_code(EMAIL, LAPTOP)
    await auth.registration.verify_email(EMAIL, (await auth.codes(user_id))[-1], LAPTOP)


async def test_the_owner_sees_device_and_area_of_each_session_the_last_used_first(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    auth.clock.advance(timedelta(minutes=1))
    laptop = await auth.sign_in.login(EMAIL, PASSWORD, LAPTOP)
    auth.clock.advance(timedelta(minutes=1))
    await auth.sign_in.login(EMAIL, PASSWORD, PHONE)
    auth.clock.advance(timedelta(minutes=1))
    await auth.sign_in.refresh(laptop.refresh_token, LAPTOP)
    sessions = await auth.cases.manage_sessions.list_sessions(user_id)
    assert [(each.device, each.area) for each in sessions] == [
        ("Firefox", "192.0.2.0/24"),
        ("App 1.0", "2001:db8::/48"),
        ("", ""),
    ]
    auth.clock.advance(timedelta(days=31))
    assert await auth.cases.manage_sessions.list_sessions(user_id) == []


async def test_a_session_that_its_owner_ends_is_over_for_all_its_tokens(auth: AuthHarness) -> None:
    first = await auth.verified(EMAIL)
    second = await auth.sign_in.login(EMAIL, PASSWORD, LAPTOP)
    ended = second.refresh_token.partition(".")[0]
    for _ in range(2):
        await auth.cases.manage_sessions.end_session(first.account.id, ended)
    assert ended in auth.revocations.revoked
    assert await reason_of(auth.sign_in.refresh(second.refresh_token, LAPTOP)) == "INVALID_REFRESH_TOKEN"
    await auth.sign_in.refresh(first.refresh_token)


async def test_nobody_ends_a_session_of_another(auth: AuthHarness) -> None:
    mine = (await auth.verified(EMAIL)).account.id
    other = await auth.verified("grace@campus.test")
    for session_id in (other.refresh_token.partition(".")[0], new_id("ses")):
        reason = await reason_of(auth.cases.manage_sessions.end_session(mine, session_id))
        assert reason == "SESSION_NOT_FOUND"
        assert session_id not in auth.revocations.revoked
    await auth.sign_in.refresh(other.refresh_token)


async def test_ending_all_others_keeps_the_one_that_asks(auth: AuthHarness) -> None:
    kept = await auth.verified(EMAIL)
    others = [await auth.sign_in.login(EMAIL, PASSWORD, visitor) for visitor in (LAPTOP, PHONE)]
    session_id = kept.refresh_token.partition(".")[0]
    end_others = auth.cases.manage_sessions.end_other_sessions
    assert [await end_others(kept.account.id, session_id) for _ in range(2)] == [2, 0]
    for other in others:
        assert await reason_of(auth.sign_in.refresh(other.refresh_token)) == "INVALID_REFRESH_TOKEN"
    await auth.sign_in.refresh(kept.refresh_token)
