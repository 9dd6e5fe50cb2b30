"""Live inboxes: fan-out, bounds and endings."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.concurrency.tasks import run_until_first_exit
from chassis.errors import DomainError
from services.notification.domain.contents import NotificationCategory
from services.notification.domain.inbox import Notification
from services.notification.inbox_broadcaster import InboxBroadcaster, InboxListener


def entry(number: int, user_id: str = "usr_1") -> Notification:
    return Notification(
        id=f"ntf_{number}",
        recipient_id=user_id,
        category=NotificationCategory.APPLICATION,
        template="application_offer",
        title=f"Title {number}",
        body="",
        about="app_1",
        create_time=datetime(2026, 3, 3, tzinfo=UTC),
    )


class TwoPartitionSource:
    """A source whose arrivals a test hands in; handing in an exception breaks the partition's stream."""

    def __init__(self) -> None:
        self.coming: dict[str, asyncio.Queue[Notification | Exception]] = {
            name: asyncio.Queue() for name in ("a", "b")
        }
        self.home = {"usr_1": "a"}
        self.moved: asyncio.Queue[None] = asyncio.Queue()
        self.followed: set[str] = set()

    async def follow_each_partition(self, follow: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        await run_until_first_exit(*(follow(name) for name in self.coming))

    async def inbox_moves(self) -> AsyncIterator[None]:
        while True:
            await self.moved.get()
            yield

    def partition_of(self, recipient_id: str) -> str:
        return self.home.get(recipient_id, "b")

    async def watch_inserts(self, partition: str, opened: Callable[[], None]) -> AsyncIterator[Notification]:
        self.followed.add(partition)
        opened()
        try:
            while True:
                item = await self.coming[partition].get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.followed.discard(partition)


@asynccontextmanager
async def running(
    source: TwoPartitionSource, *, max_streams: int = 10, max_per_user: int = 2
) -> AsyncIterator[InboxBroadcaster]:
    feed = InboxBroadcaster(
        source, max_streams=max_streams, max_streams_per_user=max_per_user, idle_check_interval_s=0.01
    )
    task = asyncio.create_task(feed.follow_inboxes())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_each_stream_gets_its_own_users_entries() -> None:
    source = TwoPartitionSource()
    async with running(source) as feed:
        with (
            feed.subscribe("usr_1") as one,
            feed.subscribe("usr_1") as other,
            feed.subscribe("usr_2") as outsider,
        ):
            source.coming["a"].put_nowait(entry(1))
            source.coming["b"].put_nowait(entry(2, "usr_2"))
            assert await anext(aiter(one)) == await anext(aiter(other)) == entry(1)
            assert await anext(aiter(outsider)) == entry(2, "usr_2")


async def test_a_partition_is_followed_only_while_it_has_streams() -> None:
    source = TwoPartitionSource()
    async with running(source) as feed:
        await asyncio.sleep(0.03)
        assert source.followed == set()
        for _ in range(3):
            with feed.subscribe("usr_1") as listener:
                await feed.wait_until_following("usr_1")
                assert source.followed == {"a"}
                source.coming["a"].put_nowait(entry(1))
                assert await anext(aiter(listener)) == entry(1)
            async with asyncio.timeout(5):
                while source.followed:
                    await asyncio.sleep(0.01)


async def test_a_stream_whose_inbox_has_moved_gets_a_resume_event_and_others_go_on() -> None:
    source = TwoPartitionSource()
    async with running(source) as feed:
        with feed.subscribe("usr_1") as moved, feed.subscribe("usr_2") as stays:
            source.home["usr_1"] = "b"
            source.moved.put_nowait(None)
            with pytest.raises(DomainError, match="UNAVAILABLE"):
                await anext(aiter(moved))
            source.coming["b"].put_nowait(entry(1, "usr_2"))
            assert await anext(aiter(stays)) == entry(1, "usr_2")


async def test_streams_of_a_user_are_limited() -> None:
    async with running(TwoPartitionSource(), max_per_user=1) as feed:
        with feed.subscribe("usr_1"):
            with pytest.raises(DomainError) as refusal, feed.subscribe("usr_1"):
                pass
            assert refusal.value.reason == "OVERLOADED"
            with feed.subscribe("usr_2"):
                pass
        with feed.subscribe("usr_1"):
            pass


async def test_streams_of_a_process_are_limited() -> None:
    async with running(TwoPartitionSource(), max_streams=1) as feed:
        with feed.subscribe("usr_1"), pytest.raises(DomainError, match="OVERLOADED"), feed.subscribe("usr_2"):
            pass


async def test_a_reader_that_is_too_slow_gets_a_resume_event() -> None:
    listener = InboxListener(max_waiting=3)
    for number in range(5):
        listener.offer(entry(number))
    with pytest.raises(DomainError, match="OVERLOADED"):
        await anext(aiter(listener))


async def test_closing_ends_streams_cleanly_after_what_waits() -> None:
    async with running(TwoPartitionSource()) as feed:
        with feed.subscribe("usr_1") as listener:
            listener.offer(entry(1))
            await feed.close()
            assert [each async for each in listener] == [entry(1)]
        with pytest.raises(DomainError, match="UNAVAILABLE"), feed.subscribe("usr_1"):
            pass


async def test_a_lost_shard_ends_its_streams_only_and_is_followed_again() -> None:
    source = TwoPartitionSource()
    async with running(source) as feed:
        with feed.subscribe("usr_1") as lost, feed.subscribe("usr_2") as kept:
            source.coming["a"].put_nowait(ConnectionError("gone"))
            with pytest.raises(DomainError, match="UNAVAILABLE"):
                await anext(aiter(lost))
            source.coming["b"].put_nowait(entry(2, "usr_2"))
            assert await anext(aiter(kept)) == entry(2, "usr_2")
        with feed.subscribe("usr_1") as again:
            await feed.wait_until_following("usr_1")
            source.coming["a"].put_nowait(entry(3))
            assert await anext(aiter(again)) == entry(3)
