"""Aggregates on real shards: changes at once are all there, each with its events, and come once per event."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from chassis.aggregates import AggregateChange
from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from chassis.mongo.provision import CollectionSpec
from chassis.sharding.repository import Repository
from chassis.sharding.shards import Shards
from internshipconnect.events.v1.events_pb2 import Event, UserVerified
from tests.integration.chassis.conftest import event_about


@dataclass(frozen=True)
class Thing:
    id: str
    steps: tuple[int, ...] = ()
    version: int = 1


@pytest.fixture
def things(shards: Shards) -> Repository[Thing]:
    return Repository(
        shards,
        CollectionSpec("things"),
        Thing,
        resource="thing",
        not_found_reason="USER_NOT_FOUND",
        encode_event=lambda event: UserVerified(user_id=event),
    )


def step(number: int) -> Callable[[Thing], AggregateChange[Thing]]:
    def decide(seen: Thing) -> AggregateChange[Thing]:
        after = replace(seen, steps=(*seen.steps, number), version=seen.version + 1)
        return AggregateChange(after, (seen.id,))

    return decide


async def event_count(shards: Shards, subject: str) -> int:
    rows = await shards.shard_for(subject).db["outbox"].find({"slot": slot_of(subject)}).to_list()
    return sum(Event.FromString(row["event"]).subject == subject for row in rows)


async def test_changes_at_once_are_all_stored_each_with_its_event(
    things: Repository[Thing], shards: Shards
) -> None:
    thing = await things.insert(Thing(new_id("usr")))
    await asyncio.gather(*(things.update(thing.id, step(number), known=thing) for number in range(5)))
    assert sorted((await things.get_or_raise(thing.id)).steps) == [0, 1, 2, 3, 4]
    assert await event_count(shards, thing.id) == 5


async def test_of_several_that_insert_the_same_one_wins(things: Repository[Thing], shards: Shards) -> None:
    id_ = new_id("usr")
    inserted = await asyncio.gather(*(things.insert(Thing(id_, (number,)), id_) for number in range(4)))
    assert set(inserted) == {await things.get(id_)}
    assert await event_count(shards, id_) == 1


async def test_of_several_that_create_what_is_missing_none_is_lost(things: Repository[Thing]) -> None:
    id_ = new_id("usr")

    def create_or(number: int) -> Callable[[Thing | None], AggregateChange[Thing]]:
        return lambda seen: step(number)(seen or Thing(id_, version=0))

    await asyncio.gather(*(things.upsert(id_, create_or(number)) for number in range(4)))
    assert sorted((await things.get_or_raise(id_)).steps) == [0, 1, 2, 3]


async def test_an_event_that_comes_again_changes_nothing(things: Repository[Thing], shards: Shards) -> None:
    thing = await things.insert(Thing(new_id("usr")))
    incoming = event_about(thing.id)
    for _ in range(2):
        updated = await things.update(thing.id, step(1), handling=incoming)
        assert updated.steps == (1,)
    assert await event_count(shards, thing.id) == 1


async def test_events_that_come_at_once_for_one_aggregate_are_all_counted(things: Repository[Thing]) -> None:
    thing = await things.insert(Thing(new_id("usr")))
    await asyncio.gather(
        *(things.update(thing.id, step(number), handling=event_about(thing.id)) for number in range(5))
    )
    assert sorted((await things.get_or_raise(thing.id)).steps) == [0, 1, 2, 3, 4]


async def test_a_missing_one_is_named(things: Repository[Thing]) -> None:
    with pytest.raises(DomainError, match="USER_NOT_FOUND"):
        await things.update(new_id("usr"), step(1))


async def test_each_of_some_ids_is_read_from_its_own_shard_and_so_are_all(things: Repository[Thing]) -> None:
    stored = [await things.insert(Thing(new_id("usr", slot))) for slot in (1, 8_000, 16_000)]
    ids = [thing.id for thing in stored]
    missing = new_id("usr")
    found = await things.get_each([*ids, missing])
    assert sorted(thing.id for thing in found.items) == sorted(ids)
    assert await things.existing_ids([*ids, missing]) == set(ids)
    everything = [thing.id async for page in things.iterate_pages() for thing in page]
    assert set(ids) <= set(everything)


async def test_pages_of_an_owner_go_from_the_newest_on(things: Repository[Thing]) -> None:
    owner = new_id("usr")
    ids = sorted([(await things.insert(Thing(new_id("app", slot_of(owner))))).id for _ in range(3)])
    first = await things.page(owner, {}, index="_id_", after_id=None, limit=2)
    rest = await things.page(owner, {}, index="_id_", after_id=first[-1].id, limit=2)
    assert [thing.id for thing in (*first, *rest)] == ids[::-1]
