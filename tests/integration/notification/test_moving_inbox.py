"""Live inboxes while their slots move to another shard."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from chassis.sharding import rebalance
from chassis.sharding.shard import Shard
from chassis.sharding.slot_map import SlotMap, SlotMove, SlotRange
from services.notification.domain.inbox import Notification
from services.notification.repository import NOTIFICATIONS
from tests.integration.notification.conftest import NotificationHarness
from tests.integration.notification.test_inbox import followed, put, watched
from tests.integration.scratch_broker import wait_until
from tests.waiting import WAIT_TIMEOUT_S

__all__ = ["followed"]

SLOT, OTHER_SLOT = 7, 16_000


@pytest.fixture
def user() -> str:
    return new_id("usr", SLOT)


def shard(service: NotificationHarness, name: str) -> Shard:
    return next(each for each in service.shards.all_shards() if each.name == name)


def go_by(service: NotificationHarness, slot_map: SlotMap) -> None:
    service.shards.apply_slot_map(slot_map, dict.fromkeys(slot_map.uris, slot_map))


def begin_move(service: NotificationHarness) -> None:
    go_by(
        service, rebalance.with_moves(service.shards.slot_map, [SlotMove(SlotRange(SLOT, SLOT), "s1", "s2")])
    )


def switch(service: NotificationHarness) -> None:
    go_by(service, rebalance.with_owner(service.shards.slot_map, {SLOT}, "s2"))


async def copy(service: NotificationHarness, *ids: str) -> None:
    """Copy entries as a migration does, past their owners."""
    entries = await shard(service, "s1").unscoped[NOTIFICATIONS].find({"_id": {"$in": ids}}).to_list()
    await shard(service, "s2").unscoped[NOTIFICATIONS].insert_many(entries)


async def put_next(service: NotificationHarness, user_id: str, ids: list[str]) -> None:
    """Add one more entry, a little younger than those before."""
    at = datetime.now(UTC) + timedelta(milliseconds=10 * len(ids))
    ids.append(await put(service, user_id, len(ids), at=at))


async def next_of(stream: AsyncIterator[Notification]) -> str:
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        return (await anext(stream)).id


async def opening(
    service: NotificationHarness, stream: AsyncIterator[Notification], user_id: str
) -> "asyncio.Task[str]":
    """Return the first entry that is to come; the stream listens before this returns."""
    first = asyncio.create_task(next_of(stream))
    await wait_until(lambda: service.feed._count[user_id])
    return first


async def test_copies_on_their_way_are_no_arrivals(service: NotificationHarness, user: str) -> None:
    copied, arrived = list[str](), list[str]()
    await put_next(service, user, copied)
    begin_move(service)
    opened = asyncio.Event()
    arrivals = service.store.watch_inserts("s2", opened.set)
    first = asyncio.create_task(next_of(arrivals))
    await opened.wait()

    await copy(service, *copied)
    await put_next(service, new_id("usr", OTHER_SLOT), arrived)

    assert [await first] == arrived


async def test_a_reader_gets_every_entry_once_while_the_inbox_moves(
    followed: NotificationHarness, user: str
) -> None:
    ids = list[str]()
    await put_next(followed, user, ids)
    stream = watched(followed, user, ids[0])
    first = await opening(followed, stream, user)
    begin_move(followed)
    await copy(followed, ids[0])
    await put_next(followed, user, ids)
    assert await first == ids[1]
    await put_next(followed, user, ids)
    await copy(followed, *ids[1:])

    switch(followed)
    seen = ids[:2]
    with pytest.raises(DomainError, match="UNAVAILABLE"):
        while True:
            seen.append(await next_of(stream))
    resumed = watched(followed, user, seen[-1])
    coming = await opening(followed, resumed, user)
    late = (await followed.store.find_entries(user, [ids[2]]))[ids[2]]
    followed.feed._deliver("s2", late)
    await put_next(followed, user, ids)
    seen.append(await coming)
    while len(seen) < len(ids):
        seen.append(await next_of(resumed))

    assert followed.shards.shard_for(slot_of(user)).name == "s2"
    assert seen == ids
