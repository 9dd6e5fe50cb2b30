"""Shards: the way from an ID, questions to all, and a shard that is down."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from chassis.call_context import CallContext, bind_call
from chassis.errors import DomainError
from chassis.ids import new_id
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from tests.stack import StackHandle
from tests.targeting import TargetedQueryGuard
from tests.waiting import WAIT_TIMEOUT_S

HERE, THERE = 0, 16_383
MAX_TOTAL_WAIT_S = 10.0
"""What twenty refusals take on a busy machine, unless each waits for the shard."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


async def counted(shard: Shard) -> int:
    return await shard.db["things"].count_documents({"kind": "counted"})


@pytest.fixture
async def two_things(shards: Shards) -> tuple[str, str]:
    here, there = new_id("thg", HERE), new_id("thg", THERE)
    for id_ in (here, there):
        await shards.shard_for(id_).db["things"].delete_many({"kind": "counted"})
        await shards.shard_for(id_).db["things"].insert_one({"_id": id_, "kind": "counted"})
    return here, there


async def test_an_id_leads_to_the_shard_of_its_slot(shards: Shards) -> None:
    assert [shard.name for shard in shards.all_shards()] == ["s1", "s2"]
    assert [shards.shard_for(slot).name for slot in (HERE, 8191, 8192, THERE)] == ["s1", "s1", "s2", "s2"]
    assert shards.shard_for(new_id("usr", THERE)) is shards.shard_for(THERE)


@pytest.mark.parametrize("bad", ["", "usr_nonsense", -1, 16_384])
async def test_what_is_no_id_leads_nowhere(shards: Shards, bad: str | int) -> None:
    with pytest.raises(ValueError, match=r"ID|slot"):
        shards.shard_for(bad)


async def test_times_come_back_aware_in_utc(shards: Shards, two_things: tuple[str, str]) -> None:
    at = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    things = shards.shard_for(HERE).db["things"]
    await things.update_one({"_id": two_things[0]}, {"$set": {"at": at}})

    found = await things.find_one({"_id": two_things[0]})

    assert found is not None
    assert found["at"] == at
    assert found["at"].tzinfo is UTC


async def test_a_scatter_brings_every_shards_answer(shards: Shards, two_things: tuple[str, str]) -> None:
    answer = await shards.scatter(counted, timeout_s=5)

    assert (answer.results, answer.missing_shards) == ([1, 1], [])


async def test_a_scatter_names_the_shard_that_is_too_slow(shards: Shards) -> None:
    async def slow_there(shard: Shard) -> str:
        if shard is shards.shard_for(THERE):
            await shard.db["things"].insert_one({"_id": "sleeper"})
            await shard.db["things"].find_one({"$where": "sleep(120000) || true"})
        return shard.name

    with within(WAIT_TIMEOUT_S):
        answer = await shards.scatter(slow_there, timeout_s=0.5)

    assert (answer.results, answer.missing_shards) == (["s1"], ["s2"])


async def test_a_scatter_raises_what_is_no_outage(shards: Shards) -> None:
    async def failing(shard: Shard) -> None:
        raise DomainError("INVALID_PAGE_TOKEN", "no")

    with pytest.raises(DomainError, match="INVALID_PAGE_TOKEN"):
        await shards.scatter(failing, timeout_s=1)


async def test_an_operation_ends_with_the_callers_deadline(shards: Shards) -> None:
    things = shards.shard_for(HERE).db["things"]
    await things.insert_one({"_id": new_id("thg", HERE)})
    bind_call(CallContext(deadline=time.monotonic() + 0.3))

    with within(WAIT_TIMEOUT_S), pytest.raises(DomainError) as refused:
        await things.find_one({"$where": "sleep(120000) || true"})

    assert refused.value.reason in {"DEADLINE_EXCEEDED", "UNAVAILABLE"}
    await asyncio.sleep(0.3)
    with pytest.raises(DomainError, match="DEADLINE_EXCEEDED"):
        await things.find_one({})


async def test_all_ways_to_read_and_write_report_an_outage_in_the_same_words(
    shards: Shards, stopped: Callable[[str], None]
) -> None:
    await shards.ping()
    stopped("mongo-s2")
    things = shards.shard_for(THERE).db["things"]
    calls = (
        lambda: things.find_one({}),
        lambda: things.find({}).to_list(),
        lambda: anext(things.find({})),
        lambda: things.aggregate([]),
        lambda: things.insert_one({}),
        lambda: things.update_one({}, {"$set": {"a": 1}}),
        lambda: things.count_documents({}),
        lambda: things.with_options().find_one({}),
        lambda: shards.shard_for(THERE).db.get_collection("things").delete_one({"_id": 1}),
        lambda: shards.shard_for(THERE).run_in_transaction(_noop),
        lambda: shards.shard_for(THERE).ping(),
    )

    for call in calls:
        with within(WAIT_TIMEOUT_S), pytest.raises(DomainError) as refused:
            await call()
        assert refused.value.reason == "UNAVAILABLE"
        assert "ongo shard s2" in refused.value.message
        assert refused.value.retry_after_s


async def _noop(tx: Transaction) -> None:
    await tx.db["things"].find_one({})


async def test_a_shard_that_is_down_fails_its_own_users_only_at_once_and_comes_back(
    shards: Shards, stack: StackHandle, stopped: Callable[[str], None], two_things: tuple[str, str]
) -> None:
    here, there = two_things
    stopped("mongo-s2")
    with within(WAIT_TIMEOUT_S), pytest.raises(DomainError, match="UNAVAILABLE"):
        await shards.shard_for(there).db["things"].find_one({"_id": there})
    await asyncio.sleep(1)

    with within(MAX_TOTAL_WAIT_S):
        for _ in range(20):
            with pytest.raises(DomainError, match="UNAVAILABLE"):
                await shards.shard_for(there).db["things"].find_one({"_id": there})
    with within(MAX_TOTAL_WAIT_S):
        assert await shards.shard_for(here).db["things"].find_one({"_id": here}) is not None
        assert (await shards.scatter(counted, timeout_s=5)).missing_shards == ["s2"]
        assert await shards.ping() == ["s2"]

    stack.start("mongo-s2")
    stack.await_ready("mongo-s2")
    with within(WAIT_TIMEOUT_S):
        await _until_found(shards, there)


async def _until_found(shards: Shards, id_: str) -> None:
    while True:
        try:
            assert await shards.shard_for(id_).db["things"].find_one({"_id": id_}) is not None
        except DomainError:
            await asyncio.sleep(0.05)
        else:
            return


async def test_after_a_crash_in_the_midst_of_transactions_what_was_acknowledged_is_there_with_its_event(
    shards: Shards, stack: StackHandle
) -> None:
    acknowledged: set[str] = set()
    refused: list[DomainError] = []

    async def change() -> None:
        id_ = new_id("thg", THERE)
        try:
            await shards.shard_for(id_).run_in_transaction(_made(id_))
        except DomainError as error:
            refused.append(error)
        else:
            acknowledged.add(id_)

    async def worker() -> None:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            await change()
            await asyncio.sleep(0.01)

    working = asyncio.gather(*(worker() for _ in range(10)))
    await asyncio.sleep(0.7)
    stack.kill("mongo-s2")
    await working
    stack.await_ready("mongo-s2")

    shard = shards.shard_for(THERE)
    await _until_found(shards, next(iter(acknowledged)))
    things = {row["_id"] for row in await shard.db["things"].find({"made": True}).to_list()}
    told = {row["subject"] for row in await shard.db["told"].find({}).to_list()}
    assert acknowledged <= things
    assert things == told
    assert {error.reason for error in refused} <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


def _made(id_: str) -> Callable[[Transaction], Awaitable[None]]:
    async def work(tx: Transaction) -> None:
        await tx.db["things"].insert_one({"_id": id_, "made": True}, session=tx.session)
        await tx.db["told"].insert_one({"subject": id_}, session=tx.session)

    return work


async def test_reading_by_ids_finds_what_there_is_on_every_shard_and_names_those_of_one_that_is_down(
    shards: Shards, two_things: tuple[str, str], stack: StackHandle
) -> None:
    async def ids_on(shard: Shard, ids: list[str]) -> list[str]:
        return [row["_id"] for row in await shard.db["things"].find({"_id": {"$in": ids}}).to_list()]

    unknown = new_id("usr", HERE)
    answer = await shards.find_by_ids([*two_things, unknown], ids_on)
    assert (sorted(answer.items), answer.unavailable_ids) == (sorted(two_things), [])

    stack.stop("mongo-s2")
    try:
        here = [each for each in two_things if shards.shard_for(each) is shards.shard_for(HERE)]
        there = [each for each in two_things if each not in here]
        answer = await shards.find_by_ids(two_things, ids_on)
        assert (answer.items, answer.unavailable_ids) == (here, there)
    finally:
        stack.start("mongo-s2")
        stack.await_ready("mongo-s2")


async def test_the_guard_lets_pass_what_goes_to_one_shard_or_is_on_the_list(
    shards: Shards, guard: TargetedQueryGuard, two_things: tuple[str, str]
) -> None:
    with guard.operation("read both by their IDs"):
        for id_ in two_things:
            await shards.shard_for(id_).db["things"].find_one({"_id": id_})
    with guard.operation("count"):
        await shards.scatter(counted, timeout_s=5)

    guard.check()


async def test_the_guard_finds_a_scatter_made_by_hand(shards: Shards, guard: TargetedQueryGuard) -> None:
    with guard.operation("search"):
        for shard in shards.all_shards():
            await shard.db["things"].find_one({"city": "Berlin"})

    with pytest.raises(AssertionError, match=r"search: find on things .*Berlin.* went to 2 shards"):
        guard.check()


async def test_the_guard_finds_a_scatter_that_is_not_on_the_list(
    shards: Shards, guard: TargetedQueryGuard
) -> None:
    async def unlisted(shard: Shard) -> int:
        return await shard.db["things"].count_documents({"kind": "other"})

    bind_call(CallContext(request_id="a request"))
    await shards.scatter(unlisted, timeout_s=5)

    with pytest.raises(AssertionError, match="a request: aggregate on things"):
        guard.check()


def fail_operations(monkeypatch: pytest.MonkeyPatch, shards: Shards, failing: Sequence[int]) -> None:
    """Let the cursor operations of these numbers, counted from 1, fail as when a member goes."""
    client = shards.shard_for(HERE).db.client
    run_operation, numbers = client._run_operation, count(1)

    async def run_or_fail(*args: Any, **kwargs: Any) -> Any:
        if next(numbers) in failing:
            raise AutoReconnect("connection closed")
        return await run_operation(*args, **kwargs)

    monkeypatch.setattr(client, "_run_operation", run_or_fail)


async def test_a_find_whose_member_goes_brings_all_documents_all_the_same(
    shards: Shards, two_things: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    things = shards.shard_for(HERE).db["things"]
    fail_operations(monkeypatch, shards, [1, 2])

    found = await things.find({"kind": "counted"}).to_list()

    assert [each["_id"] for each in found] == [two_things[0]]


async def test_a_find_whose_member_goes_between_two_batches_fails_and_is_never_cut_short(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = shards.shard_for(HERE).db["things"]
    await things.insert_many([{"_id": new_id("thg", HERE), "kind": "batched"} for _ in range(5)])
    fail_operations(monkeypatch, shards, [2])

    with pytest.raises(DomainError) as refusal:
        await things.find({"kind": "batched"}, batch_size=2).to_list()

    assert refusal.value.reason == "UNAVAILABLE"
