"""Works that handle events share transactions, and none of them can tell."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from chassis.call_context import CallContext, bind_call, request_id
from chassis.errors import DomainError
from chassis.ids import new_id
from chassis.messaging import IncomingEvent
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.slot_map import SlotMap
from chassis.sharding.transactions import Transaction
from devstack import mongo
from internshipconnect.events.v1.events_pb2 import Event, UserVerified
from tests.stack import StackHandle

SLOT = 77


class CommitCounter(CommandListener):
    """Counts the transactions that were committed."""

    def __init__(self) -> None:
        self.count = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.count += event.command_name == "commitTransaction"

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


@pytest.fixture
def commits() -> CommitCounter:
    return CommitCounter()


@pytest.fixture
async def shard(stack: StackHandle, database: str, commits: CommitCounter) -> AsyncIterator[Shard]:
    password = stack.credentials.mongo_admin_password
    slot_map = SlotMap.load(stack.topology.slot_map_file)
    shards = Shards(slot_map, database, mongo.ADMIN_USER, password, listeners=(commits,))
    yield shards.shard_for(SLOT)
    await shards.close()


def people(count: int) -> list[str]:
    return [new_id("usr", SLOT) for _ in range(count)]


def news_of(subject: str) -> IncomingEvent:
    return IncomingEvent(new_id("evt"), "auth.user.verified", "auth", subject, datetime.now(UTC), "", "q")


async def handle(shard: Shard, user: str, incoming: IncomingEvent) -> Any:
    """Store a thing and emit an event; refuse a user whose ID ends with `!` half-way."""

    async def work(tx: Transaction) -> str:
        await tx.db["things"].insert_one({"_id": user})
        tx.emit(UserVerified(user_id=user), subject=user.rstrip("!"))
        if user.endswith("!"):
            raise DomainError("ILLEGAL_TRANSITION", "half-way")
        return f"{user} by {request_id()}"

    bind_call(CallContext(request_id=f"call of {user}"))
    return await shard.run_in_transaction(work, event=incoming)


async def all_at_once(shard: Shard, users: Sequence[str], news: Sequence[IncomingEvent]) -> list[Any]:
    tasks = [asyncio.create_task(handle(shard, *each)) for each in zip(users, news, strict=True)]
    return await asyncio.gather(*tasks, return_exceptions=True)


async def stored(shard: Shard, users: Sequence[str]) -> set[str]:
    return {found["_id"] async for found in shard.db["things"].find({"_id": {"$in": list(users)}})}


async def told_of(shard: Shard, users: Sequence[str]) -> list[str]:
    rows = await shard.db["outbox"].find({"slot": SLOT}).to_list()
    subjects = [Event.FromString(row["event"]).subject for row in rows]
    return sorted(subject for subject in subjects if subject in users)


async def test_works_that_wait_together_are_committed_together_each_with_its_event_and_its_call(
    shard: Shard, commits: CommitCounter
) -> None:
    users = people(50)

    answers = await all_at_once(shard, users, [news_of(user) for user in users])

    assert answers == [f"{user} by call of {user}" for user in users]
    assert await stored(shard, users) == set(users)
    assert await told_of(shard, users) == sorted(users)
    assert commits.count < 10


async def test_one_that_fails_leaves_nothing_and_harms_no_other(shard: Shard) -> None:
    users = people(8)
    users[5] += "!"

    answers = await all_at_once(shard, users, [news_of(user.rstrip("!")) for user in users])

    assert isinstance(answers[5], DomainError)
    others = [user for user in users if not user.endswith("!")]
    assert [answer for answer in answers if answer is not answers[5]] == [
        f"{user} by call of {user}" for user in others
    ]
    assert await stored(shard, users) == set(others)
    assert await told_of(shard, [user.rstrip("!") for user in users]) == sorted(others)


async def test_an_event_that_comes_again_beside_others_has_no_second_effect(shard: Shard) -> None:
    users = people(6)
    news = [news_of(user) for user in users]
    await handle(shard, users[2], news[2])

    answers = await all_at_once(shard, users, news)

    assert answers[2] is None
    assert None not in answers[:2] + answers[3:]
    assert await told_of(shard, users) == sorted(users)


async def test_one_whose_caller_has_gone_away_does_not_hold_up_the_others(shard: Shard) -> None:
    users = people(10)
    tasks = [asyncio.create_task(handle(shard, user, news_of(user))) for user in users]
    await asyncio.sleep(0)
    tasks[4].cancel()

    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(answers[4], asyncio.CancelledError)
    assert [answer for answer in answers[:4] + answers[5:] if not isinstance(answer, str)] == []
