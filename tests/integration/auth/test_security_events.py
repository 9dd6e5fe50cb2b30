"""Security events as the stores hold them: written with their change, in one chain that shows tampering."""

import asyncio
from datetime import timedelta

import pyotp
import pytest
from cryptography.exceptions import InvalidTag

from chassis.call_context import CallContext, Principal, bind_call
from chassis.ids import new_id, slot_of
from services.auth.domain.accounts import AccountPlan, CompanyMembership, CompanyRole
from services.auth.domain.security_events import PerformerKind, SecurityEvent, SecurityVerb
from services.auth.domain.sign_in_policy import SignInPolicy
from services.auth.domain.visitor import Visitor
from tests.integration.auth.conftest import PASSWORD, AuthHarness, build_auth_harness
from tests.integration.auth.test_signing_in import claims_of, reason_of

EMAIL = "ada@campus.test"
LAPTOP = Visitor(("192.0.2.1",), b"Firefox")
OTHER_PASSWORD = "violet anchor prism 3"


async def events_of(auth: AuthHarness, user_id: str) -> list[SecurityEvent]:
    """Return the newest events of an account, the oldest first."""
    page, _ = await auth.cases.security_events.list_own(user_id, below=None, size=50)
    return page[::-1]


async def verbs_of(auth: AuthHarness, user_id: str) -> list[str]:
    return [str(event.note.verb) for event in await events_of(auth, user_id)]


async def is_whole(auth: AuthHarness, user_id: str) -> bool:
    return await auth.cases.verify_security_events.verify_account(user_id) is None


async def test_the_life_of_an_account_is_one_chain(auth: AuthHarness) -> None:
    person = await auth.verified(EMAIL)
    user_id, session_id = person.account.id, claims_of(person)["sid"]
    factors = auth.cases.manage_second_factors
    app = pyotp.TOTP((await factors.begin(user_id))[0])
    await factors.confirm(user_id, session_id, app.at(auth.clock.now()), LAPTOP)
    await auth.cases.administration.set_plan(user_id, AccountPlan.PRO)
    membership = CompanyMembership(new_id("cmp"), "Acme", CompanyRole.VIEWER, number=1, team_version=1)
    await auth.cases.memberships.apply(user_id, membership, actor_id=new_id("usr"))
    await auth.cases.administration.suspend(user_id, "Spam.")
    assert await verbs_of(auth, user_id) == [
        "ADDRESS_VERIFIED",
        "SIGNED_IN",
        "SECOND_FACTOR_ADDED",
        "REAUTHENTICATED",
        "PLAN_CHANGED",
        "MEMBERSHIP_CHANGED",
        "SUSPENDED",
        "SESSIONS_ENDED",
    ]
    found = await events_of(auth, user_id)
    assert [event.number for event in found] == list(range(1, len(found) + 1))
    assert found[5].performer.kind is PerformerKind.MEMBER
    assert found[5].performer.acting_for == membership.company_id
    assert await is_whole(auth, user_id)


async def test_signing_in_and_out_and_changing_a_password_are_recorded(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    signed_in = await auth.sign_in.login(EMAIL, PASSWORD, LAPTOP)
    await auth.sign_in.refresh(signed_in.refresh_token)
    await auth.sign_in.logout(claims_of(signed_in)["sid"])
    await auth.sign_in.logout(claims_of(signed_in)["sid"])
    await auth.passwords.change(user_id, PASSWORD, OTHER_PASSWORD, LAPTOP)
    assert (await verbs_of(auth, user_id))[2:] == [
        "SIGNED_IN",
        "SESSION_ENDED",
        "PASSWORD_REPLACED",
        "SESSIONS_ENDED",
        "SIGNED_IN",
    ]
    stored = str(await auth.shards.shard_for(user_id).db["security_events"].find({}).to_list(None))
    assert PASSWORD not in stored and EMAIL not in stored


async def test_an_event_names_the_performer_of_the_call_and_its_network(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    admin = Principal(new_id("usr"), "ADMIN")
    metadata = {"x-ic-client": "192.0.2.7"}
    bind_call(CallContext(request_id="req-7", principal=admin, metadata=metadata))
    await auth.cases.administration.set_plan(user_id, AccountPlan.PREMIUM)
    bind_call(CallContext(request_id="req-8", principal=Principal("otto", "OPERATOR"), metadata=metadata))
    await auth.cases.administration.set_plan(user_id, AccountPlan.PRO)
    by_admin, by_operator = [event.performer for event in (await events_of(auth, user_id))[-2:]]
    assert (by_admin.kind, by_admin.id) == (PerformerKind.STAFF, admin.id)
    assert (by_admin.area, by_admin.request_id) == ("192.0.2.0/24", "req-7")
    assert (by_operator.kind, by_operator.id) == (PerformerKind.OPERATOR, "otto")


async def test_a_change_that_is_refused_leaves_no_event(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    before = await verbs_of(auth, user_id)
    assert await reason_of(auth.passwords.change(user_id, "not it at all", OTHER_PASSWORD)) == "INVALID_FIELD"
    assert await reason_of(auth.cases.administration.set_plan(user_id, AccountPlan.ADMIN)) == "INVALID_FIELD"
    assert await verbs_of(auth, user_id) == before


async def test_many_failed_sign_ins_are_one_event_in_a_quarter_of_an_hour(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    strict = build_auth_harness(auth.shards, auth.redis, auth.clock, auth.data_key, SignInPolicy())
    for _ in range(8):
        await reason_of(strict.sign_in.login(EMAIL, "not it at all", LAPTOP))
        await strict.cases.failures.settle()
    assert (await verbs_of(auth, user_id)).count("SIGN_INS_FAILED") == 1
    [failed] = [event for event in await events_of(auth, user_id) if event.note.verb == "SIGN_INS_FAILED"]
    assert failed.performer.kind is PerformerKind.UNKNOWN
    auth.clock.advance(timedelta(minutes=16))
    await reason_of(strict.sign_in.login(EMAIL, "not it at all", LAPTOP))
    await strict.cases.close()
    assert await is_whole(auth, user_id)


async def test_events_of_many_calls_at_once_are_one_chain(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    other = build_auth_harness(auth.shards, auth.redis, auth.clock, auth.data_key)
    logins = [process.sign_in.login(EMAIL, PASSWORD, LAPTOP) for process in (auth, other) for _ in range(8)]
    plans = [AccountPlan.PREMIUM, AccountPlan.PRO] * 3
    changes = [
        process.cases.administration.set_plan(user_id, plan) for plan in plans for process in (auth, other)
    ]
    await asyncio.gather(*logins, *changes)
    await other.cases.close()
    found = await events_of(auth, user_id)
    assert [event.number for event in found] == list(range(1, len(found) + 1))
    assert [event.note.verb for event in found].count(SecurityVerb.SIGNED_IN) == 17
    assert await is_whole(auth, user_id)


async def test_the_first_events_of_an_account_at_once_are_one_chain_too(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL)
    logins = await asyncio.gather(*(auth.sign_in.login(EMAIL, PASSWORD, LAPTOP) for _ in range(6)))
    assert len(logins) == len(await events_of(auth, user_id)) == 6
    assert await is_whole(auth, user_id)


@pytest.mark.parametrize(
    "tampering", ["change", "remove", "remove the last", "insert", "swap", "remove the head"]
)
async def test_tampering_with_the_store_is_found(auth: AuthHarness, tampering: str) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    for _ in range(3):
        await auth.sign_in.login(EMAIL, PASSWORD, LAPTOP)
    untouched = (await auth.verified("grace@campus.test")).account.id
    database = auth.shards.shard_for(user_id).db
    events, key = database["security_events"], {"user_id": user_id, "slot": slot_of(user_id)}
    second, third = await events.find(key | {"number": {"$in": [2, 3]}}).sort("number", 1).to_list(None)
    match tampering:
        case "change":
            await events.update_one({"_id": second["_id"]}, {"$set": {"note.after": "otp"}})
        case "remove":
            await events.delete_one({"_id": second["_id"]})
        case "remove the last":
            await events.delete_one(key | {"number": 5})
        case "insert":
            await events.insert_one(second | {"_id": new_id("sev", slot_of(user_id))})
        case "swap":
            await events.update_one({"_id": second["_id"]}, {"$set": {"number": 3}})
            await events.update_one({"_id": third["_id"]}, {"$set": {"number": 2}})
        case _:
            await database["security_chains"].delete_one({"_id": user_id})
    broken = [each async for each in auth.cases.verify_security_events.verify_all(lambda _: None)]
    expected = {"remove the last": 5, "insert": 3, "remove the head": 5}
    assert [(each.user_id, each.number) for each in broken] == [(user_id, expected.get(tampering, 2))]
    assert await is_whole(auth, untouched)


async def test_another_data_key_does_not_verify_the_record(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    other = build_auth_harness(auth.shards, auth.redis, auth.clock, bytes(32))
    with pytest.raises(InvalidTag):
        await other.cases.verify_security_events.verify_account(user_id)
    await other.cases.close()


async def test_events_are_read_page_by_page(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    for _ in range(5):
        await auth.sign_in.login(EMAIL, PASSWORD, LAPTOP)
    numbers, below = [], None
    while True:
        page, below = await auth.cases.security_events.list_of_account(user_id, below=below, size=3)
        numbers += [event.number for event in page]
        if below is None:
            break
    assert numbers == list(range(7, 0, -1))
    nobody = auth.cases.security_events.list_of_account(new_id("usr"), below=None, size=3)
    assert await reason_of(nobody) == "USER_NOT_FOUND"
