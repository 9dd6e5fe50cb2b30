"""Transactions: a change and its events together or neither, once per incoming event."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError

from chassis.contracts import ContractError
from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from chassis.messaging import IncomingEvent
from chassis.sharding.inbox import EventInSlot
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from chassis.sharding.transactions import Transaction
from internshipconnect.events.v1.events_pb2 import Event, UserVerified
from tests.waiting import WAIT_TIMEOUT_S


@pytest.fixture
def user() -> str:
    return new_id("usr")


@pytest.fixture
def shard(shards: Shards, user: str) -> Shard:
    return shards.shard_for(user)


def event_about(subject: str) -> IncomingEvent:
    return IncomingEvent(new_id("evt"), "auth.user.verified", "auth", subject, datetime.now(UTC), "", "q")


async def outbox_messages(shard: Shard, user: str) -> list[dict[str, Any]]:
    rows = await shard.db["outbox"].find({"slot": slot_of(user)}).to_list()
    return [row for row in rows if Event.FromString(row["event"]).subject == user]


async def test_a_change_and_its_event_are_committed_together(shard: Shard, user: str) -> None:
    async def work(tx: Transaction) -> str:
        await tx.db["things"].insert_one({"_id": user, "slot": slot_of(user)}, session=tx.session)
        tx.emit(UserVerified(user_id=user), subject=user)
        assert await shard.db["things"].find_one({"_id": user}) is None
        return "done"

    assert await shard.run_in_transaction(work) == "done"

    assert await shard.db["things"].find_one({"_id": user}) is not None
    [row] = await outbox_messages(shard, user)
    event = Event.FromString(row["event"])
    message = UserVerified()
    assert event.data.Unpack(message)
    assert (row["_id"], row["type"], message.user_id) == (event.id, "auth.user.verified", user)
    assert slot_of(event.id) == slot_of(user)
    assert event.source == shard.db.name.removeprefix("ic_")


async def test_when_the_work_fails_neither_change_nor_event_is_there(shard: Shard, user: str) -> None:
    async def work(tx: Transaction) -> None:
        await tx.db["things"].insert_one({"_id": user}, session=tx.session)
        tx.emit(UserVerified(user_id=user), subject=user)
        raise LookupError("half-way")

    with pytest.raises(LookupError):
        await shard.run_in_transaction(work)

    assert await shard.db["things"].find_one({"_id": user}) is None
    assert await outbox_messages(shard, user) == []


async def test_several_events_are_published_in_the_order_of_their_emission(shard: Shard, user: str) -> None:
    async def work(tx: Transaction) -> None:
        for number in range(5):
            tx.emit(UserVerified(user_id=f"{number}"), subject=user)

    await shard.run_in_transaction(work)

    assert len(await outbox_messages(shard, user)) == 5


async def test_what_is_done_through_the_transactions_database_is_in_it_even_without_its_session(
    shard: Shard, user: str
) -> None:
    async def work(tx: Transaction) -> None:
        await tx.db["things"].insert_one({"_id": user, "state": "NEW"})
        await tx.db["things"].update_one({"_id": user}, {"$set": {"state": "CHANGED"}})
        [seen] = await tx.db["things"].find({"_id": user}).to_list()
        [sum_] = await (
            await tx.db["things"].aggregate([{"$match": {"_id": user}}, {"$count": "n"}])
        ).to_list()
        assert (seen["state"], sum_["n"]) == ("CHANGED", 1)
        assert (await tx.db["things"].find_one({"_id": user}) or {})["state"] == "CHANGED"
        assert await tx.db.get_collection("things").with_options().find_one({"_id": user}) is not None
        raise LookupError("undo all of it")

    with pytest.raises(LookupError):
        await shard.run_in_transaction(work)

    assert await shard.db["things"].find_one({"_id": user}) is None


async def test_a_collection_first_used_in_a_transaction_is_not_tied_to_it(shard: Shard, user: str) -> None:
    async def work(tx: Transaction) -> None:
        await tx.db["first_used_there"].insert_one({"_id": user})

    await shard.run_in_transaction(work)

    assert await shard.db["first_used_there"].find_one({"_id": user}) is not None
    await shard.db["first_used_there"].drop()


async def test_the_same_incoming_event_has_its_effect_once(shard: Shard, user: str) -> None:
    await shard.db["things"].insert_one({"_id": user, "seen": 0})
    incoming = event_about(user)

    async def work(tx: Transaction) -> str:
        await tx.db["things"].update_one({"_id": user}, {"$inc": {"seen": 1}}, session=tx.session)
        tx.emit(UserVerified(user_id=user), subject=user)
        return "done"

    first = await shard.run_in_transaction(work, event=incoming)
    again = await shard.run_in_transaction(work, event=incoming)

    assert (first, again) == ("done", None)
    assert (await shard.db["things"].find_one({"_id": user}) or {})["seen"] == 1
    assert len(await outbox_messages(shard, user)) == 1


async def test_deliveries_of_one_event_at_the_same_time_have_its_effect_once(shard: Shard, user: str) -> None:
    await shard.db["things"].insert_one({"_id": user, "seen": 0})
    incoming = event_about(user)

    async def work(tx: Transaction) -> str:
        await tx.db["things"].update_one({"_id": user}, {"$inc": {"seen": 1}}, session=tx.session)
        return "done"

    outcomes = await asyncio.gather(*(shard.run_in_transaction(work, event=incoming) for _ in range(8)))

    assert sorted(outcomes, key=str) == [None] * 7 + ["done"]
    assert (await shard.db["things"].find_one({"_id": user}) or {})["seen"] == 1


async def test_an_event_whose_handling_failed_is_handled_when_it_comes_again(shard: Shard, user: str) -> None:
    incoming = event_about(user)

    async def failing(tx: Transaction) -> str:
        raise LookupError("not yet")

    async def working(tx: Transaction) -> str:
        return "done"

    with pytest.raises(LookupError):
        await shard.run_in_transaction(failing, event=incoming)

    assert await shard.run_in_transaction(working, event=incoming) == "done"


async def test_transactions_that_meet_on_one_document_all_succeed(shard: Shard, user: str) -> None:
    await shard.db["things"].insert_one({"_id": user, "seen": 0})

    async def work(tx: Transaction) -> None:
        found = await tx.db["things"].find_one({"_id": user}, session=tx.session)
        assert found is not None
        await tx.db["things"].update_one({"_id": user}, {"$set": {"seen": found["seen"] + 1}})

    await asyncio.gather(*(shard.run_in_transaction(work) for _ in range(15)))

    assert (await shard.db["things"].find_one({"_id": user}) or {})["seen"] == 15


async def test_a_duplicate_key_reaches_the_store_and_changes_nothing(shard: Shard, user: str) -> None:
    await shard.db["things"].insert_one({"_id": user})

    async def work(tx: Transaction) -> None:
        tx.emit(UserVerified(user_id=user), subject=user)
        await tx.db["things"].insert_one({"_id": user}, session=tx.session)

    with pytest.raises(DuplicateKeyError):
        await shard.run_in_transaction(work)

    assert await outbox_messages(shard, user) == []


async def test_a_domain_error_of_the_work_comes_out_as_it_is(shard: Shard) -> None:
    async def work(tx: Transaction) -> None:
        raise DomainError("STALE_ETAG", "changed meanwhile")

    with pytest.raises(DomainError, match="STALE_ETAG"):
        await shard.run_in_transaction(work)


async def test_emitting_what_is_no_declared_event_is_refused_at_once(shard: Shard, user: str) -> None:
    async def work(tx: Transaction) -> None:
        tx.emit(Event(), subject=user)

    with pytest.raises(ContractError, match="Event"):
        await shard.run_in_transaction(work)


async def test_a_caller_that_goes_away_leaves_no_half_done_change(shard: Shard, user: str) -> None:
    reached = asyncio.Event()

    async def work(tx: Transaction) -> None:
        await tx.db["things"].insert_one({"_id": user}, session=tx.session)
        reached.set()
        await asyncio.sleep(30)

    running = asyncio.create_task(shard.run_in_transaction(work))
    await reached.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    # The lock on the document is free: the transaction was ended, not left to time out.
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        await shard.db["things"].insert_one({"_id": user})


class CountedBatches:
    """Adds up, in one document, the events that a batch gave to its work."""

    def __init__(self, shard: Shard, user: str) -> None:
        self._shard = shard
        self._user = user
        self.runs: list[list[str]] = []

    async def handle(self, *events: IncomingEvent, failure: Exception | None = None) -> None:
        async def work(tx: Transaction, fresh: Sequence[EventInSlot]) -> None:
            self.runs.append([each.event.event_id for each in fresh])
            await tx.db["things"].update_one(
                {"_id": self._user}, {"$inc": {"count": len(fresh)}}, upsert=True
            )
            if failure is not None:
                raise failure

        in_slot = [EventInSlot(event, slot_of(self._user)) for event in events]
        await self._shard.run_batch_in_transaction(in_slot, work)

    async def count(self) -> int:
        found = await self._shard.db["things"].find_one({"_id": self._user})
        return int(found["count"]) if found else 0


async def test_a_batch_handles_each_event_once_however_it_is_cut_the_next_time(
    shard: Shard, user: str
) -> None:
    batches = CountedBatches(shard, user)
    one, two, three, four = (event_about(user) for _ in range(4))
    await batches.handle(one, two, two)
    assert await batches.count() == 2
    await batches.handle(two, three, one)
    assert await batches.count() == 3
    assert batches.runs[-1] == [three.event_id]
    await batches.handle(one, two, three)
    await batches.handle(four)
    assert await batches.count() == 4


async def test_batches_that_share_events_at_the_same_time_count_each_once(shard: Shard, user: str) -> None:
    batches = CountedBatches(shard, user)
    events = [event_about(user) for _ in range(12)]
    cuts = [events[:8], events[4:], events[::2], events[::-1], events]
    await asyncio.gather(*(batches.handle(*cut) for cut in cuts))
    assert await batches.count() == 12


async def test_a_batch_that_fails_leaves_nothing_and_can_be_handled_again(shard: Shard, user: str) -> None:
    batches = CountedBatches(shard, user)
    events = [event_about(user) for _ in range(3)]
    with pytest.raises(LookupError):
        await batches.handle(*events, failure=LookupError("half-way"))
    assert await batches.count() == 0
    await batches.handle(*events)
    assert await batches.count() == 3


async def test_an_event_that_was_handled_alone_is_left_out_of_a_later_batch(shard: Shard, user: str) -> None:
    batches = CountedBatches(shard, user)
    first, second = event_about(user), event_about(user)

    async def work(tx: Transaction) -> None:
        await tx.db["things"].update_one({"_id": user}, {"$inc": {"count": 1}}, upsert=True)

    await shard.run_in_transaction(work, event=first, slot=slot_of(user))
    await batches.handle(first, second)
    assert await batches.count() == 2
