import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from argon2 import PasswordHasher
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from redis.asyncio.cluster import RedisCluster

from chassis.clock import FixedClock
from chassis.errors import DomainError
from internshipconnect.events.v1.events_pb2 import SessionCompromised
from services.auth.domain.accounts import AccountState
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import Visitor
from services.auth.hashing import Argon2Hasher
from services.auth.repository import COLLECTIONS, AccountChange
from services.auth.service.sign_in import REFRESH_GRACE
from tests.databases import own_databases, read_outbox
from tests.integration.auth.conftest import PASSWORD, AuthHarness, build_auth_harness
from tests.stack import StackHandle

EMAIL = "ada@campus.test"
LAPTOP = Visitor(("192.0.2.1",), b"Firefox")


def claims_of(signed_in: SignInResult) -> Any:
    return jwt.decode(signed_in.access_token, options={"verify_signature": False})


async def reason_of(call: Any) -> str:
    with pytest.raises(DomainError) as failure:
        await call
    return failure.value.reason


async def in_state(auth: AuthHarness, user_id: str, state: AccountState) -> None:
    def decide(account: Any) -> AccountChange[None]:
        return AccountChange(None, account=replace(account, state=state))

    await auth.accounts.update_with_session(user_id, decide)


async def test_the_right_password_signs_in(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    signed_in = await auth.sign_in.login("ADA@campus.test", PASSWORD)
    claims = jwt.decode(signed_in.access_token, options={"verify_signature": False})
    assert (claims["sub"], claims["kind"], claims["email_verified"]) == (user_id, "STUDENT", True)
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert claims["amr"] == ["pwd"]


async def test_a_wrong_password_and_an_unknown_address_are_refused_alike(auth: AuthHarness) -> None:
    await auth.verified(EMAIL)
    assert await reason_of(auth.sign_in.login(EMAIL, "not it at all")) == "INVALID_CREDENTIALS"
    assert await reason_of(auth.sign_in.login("no@campus.test", PASSWORD)) == "INVALID_CREDENTIALS"


async def test_an_unproven_account_signs_in_as_unverified(auth: AuthHarness) -> None:
    await auth.register(EMAIL)
    assert not (await auth.sign_in.login(EMAIL, PASSWORD)).account.email_verified


@pytest.mark.parametrize("state", [AccountState.LOCKED, AccountState.SUSPENDED])
async def test_only_the_right_password_learns_that_an_account_is_locked(
    auth: AuthHarness, state: AccountState
) -> None:
    signed_in = await auth.verified(EMAIL)
    await in_state(auth, signed_in.account.id, state)
    assert await reason_of(auth.sign_in.login(EMAIL, "not it at all")) == "INVALID_CREDENTIALS"
    assert await reason_of(auth.sign_in.login(EMAIL, PASSWORD)) == "ACCOUNT_LOCKED"
    assert await reason_of(auth.sign_in.refresh(signed_in.refresh_token)) == "ACCOUNT_LOCKED"


async def test_a_hash_by_older_parameters_is_renewed_at_sign_in(auth: AuthHarness) -> None:
    user_id = (await auth.verified(EMAIL)).account.id
    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    await (
        auth.shards.shard_for(user_id)
        .db["accounts"]
        .update_one({"_id": user_id}, {"$set": {"password_hash": old}})
    )
    await auth.sign_in.login(EMAIL, PASSWORD)
    account = await auth.accounts.get(user_id)
    assert account is not None
    assert account.password_hash != old
    await auth.sign_in.login(EMAIL, PASSWORD)


async def test_refreshing_gives_another_token_of_the_same_session(auth: AuthHarness) -> None:
    first = await auth.verified(EMAIL)
    second = await auth.sign_in.refresh(first.refresh_token)
    assert second.refresh_token != first.refresh_token
    assert second.refresh_token.partition(".")[0] == first.refresh_token.partition(".")[0]
    await auth.sign_in.refresh(second.refresh_token)


async def test_a_token_used_twice_ends_its_session_and_is_reported_once(auth: AuthHarness) -> None:
    stolen = await auth.verified(EMAIL)
    owners = await auth.sign_in.refresh(stolen.refresh_token)
    auth.clock.advance(REFRESH_GRACE)
    for _ in range(2):
        assert await reason_of(auth.sign_in.refresh(stolen.refresh_token)) == "INVALID_REFRESH_TOKEN"
    assert await reason_of(auth.sign_in.refresh(owners.refresh_token)) == "INVALID_REFRESH_TOKEN"
    session_id = stolen.refresh_token.partition(".")[0]
    assert session_id in auth.revocations.revoked
    [event] = await read_outbox(auth.shards, SessionCompromised, session_id)
    assert (event.user_id, event.session_id) == (stolen.account.id, session_id)


async def test_a_refresh_whose_answer_was_lost_is_answered_again_with_the_same_token(
    auth: AuthHarness,
) -> None:
    first = (await auth.verified(EMAIL)).refresh_token
    lost = await auth.sign_in.refresh(first, LAPTOP)
    auth.clock.advance(REFRESH_GRACE - timedelta(milliseconds=1))
    again = await auth.sign_in.refresh(first, LAPTOP)
    assert again.refresh_token == lost.refresh_token
    assert claims_of(again)["sid"] == claims_of(lost)["sid"]
    await auth.sign_in.refresh(again.refresh_token, LAPTOP)


@pytest.mark.parametrize(
    "thief",
    [Visitor(("192.0.2.1",), b"curl"), Visitor(("192.0.2.2",), b"Firefox elsewhere")],
    ids=("another-program", "another-place"),
)
async def test_another_client_with_the_token_that_was_exchanged_just_now_ends_the_session(
    auth: AuthHarness, thief: Visitor
) -> None:
    first = (await auth.verified(EMAIL)).refresh_token
    owners = await auth.sign_in.refresh(first, LAPTOP)
    assert await reason_of(auth.sign_in.refresh(first, thief)) == "INVALID_REFRESH_TOKEN"
    assert await reason_of(auth.sign_in.refresh(owners.refresh_token, LAPTOP)) == "INVALID_REFRESH_TOKEN"


async def test_twenty_refreshes_with_one_token_at_once_all_get_the_one_successor(auth: AuthHarness) -> None:
    token = (await auth.verified(EMAIL)).refresh_token
    answers = await asyncio.gather(*(auth.sign_in.refresh(token, LAPTOP) for _ in range(20)))
    [successor] = {answer.refresh_token for answer in answers}
    await auth.sign_in.refresh(successor, LAPTOP)


async def test_a_token_of_the_time_before_successors_ends_its_session_when_it_is_used_twice(
    auth: AuthHarness,
) -> None:
    first = await auth.verified(EMAIL)
    session_id = first.refresh_token.partition(".")[0]
    sessions = auth.shards.shard_for(session_id).db["sessions"]
    await sessions.update_one(
        {"_id": session_id}, {"$unset": {"client": 1}, "$set": {"token_digest": b"d" * 32}}
    )
    assert await reason_of(auth.sign_in.refresh(first.refresh_token, LAPTOP)) == "INVALID_REFRESH_TOKEN"
    assert session_id in auth.revocations.revoked


async def test_a_made_up_token_with_a_known_session_does_not_end_it(auth: AuthHarness) -> None:
    signed_in = await auth.verified(EMAIL)
    session_id, _, secret = signed_in.refresh_token.partition(".")
    forged = f"{session_id}.{secret[::-1]}"
    assert await reason_of(auth.sign_in.refresh(forged)) == "INVALID_REFRESH_TOKEN"
    await auth.sign_in.refresh(signed_in.refresh_token)


async def test_logging_out_ends_the_session_and_may_be_repeated(auth: AuthHarness) -> None:
    signed_in = await auth.verified(EMAIL)
    session_id = signed_in.refresh_token.partition(".")[0]
    await auth.sign_in.logout(session_id)
    await auth.sign_in.logout(session_id)
    assert session_id in auth.revocations.revoked
    assert await reason_of(auth.sign_in.refresh(signed_in.refresh_token)) == "INVALID_REFRESH_TOKEN"


async def test_a_session_unused_for_thirty_days_is_over(auth: AuthHarness) -> None:
    signed_in = await auth.verified(EMAIL)
    auth.clock.advance(timedelta(days=30))
    assert await reason_of(auth.sign_in.refresh(signed_in.refresh_token)) == "INVALID_REFRESH_TOKEN"


async def test_more_sign_ins_than_the_queue_holds_are_refused_as_overload(auth: AuthHarness) -> None:
    hasher = Argon2Hasher(threads=1, queue=2)
    answers = await asyncio.gather(
        *(hasher.verify_password(PASSWORD, None) for _ in range(6)), return_exceptions=True
    )
    await hasher.close()
    assert Counter(getattr(answer, "reason", "done") for answer in answers) == {"done": 3, "OVERLOADED": 3}


class ShardCommandCounter(CommandListener):
    """Counts the commands that reach the shards."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in {"find", "findAndModify", "insert", "update", "commitTransaction"}:
            target = event.command.get(event.command_name)
            self.commands.append(f"{event.command_name} {target}")

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Do nothing: only started commands count."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing: only started commands count."""

    def since(self, mark: int) -> Counter[str]:
        return Counter(self.commands[mark:])


async def test_an_unknown_address_costs_the_same_work_as_a_known_one(
    stack: StackHandle, redis: RedisCluster, clock: FixedClock
) -> None:
    work = ShardCommandCounter()
    async with own_databases(stack, "auth", COLLECTIONS, clock=clock, listeners=[work]) as shards:
        auth = build_auth_harness(shards, redis, clock, bytes(32))
        await auth.verified(EMAIL)

        async def cost(call: Any) -> Counter[str]:
            mark = len(work.commands)
            await asyncio.gather(call, return_exceptions=True)
            return work.since(mark)

        wrong = "not it at all"
        assert await cost(auth.sign_in.login(EMAIL, wrong)) == await cost(
            auth.sign_in.login("no@campus.test", wrong)
        )
        assert await cost(auth.registration.verify_email(EMAIL, "00000000")) == await cost(
            auth.registration.verify_email("no@campus.test", "00000000")
        )
        known, unknown = await cost(auth.register(EMAIL)), await cost(auth.register("new@campus.test"))
        assert unknown - known == {"insert accounts": 1}
        await auth.hasher.close()


RECORDED = {
    "find security_chains": 1,
    "update security_chains": 1,
    "insert security_events": 1,
    "commitTransaction 1": 1,
}
"""The commands that record a change in the transaction of it."""


async def test_a_refresh_costs_three_commands_and_a_login_and_a_logout_those_of_their_record_too(
    stack: StackHandle, redis: RedisCluster, clock: FixedClock
) -> None:
    work = ShardCommandCounter()
    async with own_databases(stack, "auth", COLLECTIONS, clock=clock, listeners=[work]) as shards:
        auth = build_auth_harness(shards, redis, clock, bytes(32))
        await auth.verified(EMAIL)

        mark = len(work.commands)
        signed_in = await auth.sign_in.login(EMAIL, PASSWORD)
        # The account is read once for its password, and once more where the session begins.
        reads = {"find email_directory": 1, "find accounts": 2}
        assert work.since(mark) == {**reads, "insert sessions": 1, **RECORDED}

        mark = len(work.commands)
        await auth.sign_in.refresh(signed_in.refresh_token)
        assert work.since(mark) == {"find sessions": 1, "update sessions": 1, "find accounts": 1}

        mark = len(work.commands)
        await auth.sign_in.logout(claims_of(signed_in)["sid"])
        assert work.since(mark) == {"find sessions": 1, "update sessions": 1, **RECORDED}
        await auth.hasher.close()
