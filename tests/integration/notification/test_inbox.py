"""The inbox as its owner uses it: pages, marks and the live stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from chassis.call_context import Principal, acting_as
from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from chassis.mongo.documents import to_document
from chassis.page_tokens import PageTokens
from internshipconnect.notification.v1 import notification_pb2 as pb
from services.notification.api import NotificationServicer
from services.notification.domain.contents import NotificationCategory
from services.notification.domain.inbox import Notification
from services.notification.repository import NOTIFICATIONS
from tests.integration.notification.conftest import NotificationHarness
from tests.integration.scratch_broker import wait_until
from tests.waiting import WAIT_TIMEOUT_S

START = datetime(2026, 3, 3, tzinfo=UTC)
NO_CONTEXT = cast("Any", None)


@pytest.fixture
def api(service: NotificationHarness) -> NotificationServicer:
    return NotificationServicer(service.inbox, PageTokens(b"p" * 32), NO_CONTEXT, heartbeat_s=20)


@pytest.fixture
async def followed(service: NotificationHarness) -> AsyncIterator[NotificationHarness]:
    task = asyncio.create_task(service.feed.follow_inboxes())
    yield service
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class StreamContext:
    """As much of a call's context as a stream uses."""

    sent = False

    async def send_initial_metadata(self, _: object) -> None:
        self.sent = True


async def watched(
    service: NotificationHarness, user_id: str, last_id: str
) -> AsyncGenerator[Notification, None]:
    async with service.inbox.watch_inbox(user_id, last_id) as notifications:
        async for notification in notifications:
            yield notification


async def put(service: NotificationHarness, user_id: str, number: int, *, at: datetime | None = None) -> str:
    entry = Notification(
        id=new_id("ntf", slot_of(user_id)),
        recipient_id=user_id,
        category=NotificationCategory.APPLICATION,
        template="application_offer",
        title=f"Title {number}",
        body="Body",
        about="app_1",
        create_time=at or START + timedelta(seconds=number // 2),
    )
    await (
        service.shards.shard_for(user_id)
        .db[NOTIFICATIONS]
        .insert_one(to_document(entry, slot=slot_of(user_id)))
    )
    return entry.id


def signed_in(user_id: str) -> Any:
    return acting_as(Principal(id=user_id, kind="STUDENT"))


async def pages(api: NotificationServicer, **query: Any) -> list[list[pb.Notification]]:
    found, token = [], ""
    while True:
        request = pb.ListNotificationsRequest(page_size=3, page_token=token, **query)
        page = await api.ListNotifications(request, NO_CONTEXT)
        found.append(list(page.data))
        token = page.next_page_token
        if not token:
            return found


async def test_pages_show_every_entry_once_and_the_newest_first(
    service: NotificationHarness, api: NotificationServicer
) -> None:
    user, outsider = new_id("usr"), new_id("usr")
    ids = [await put(service, user, number) for number in range(8)]
    await put(service, outsider, 99)
    with signed_in(user):
        found = await pages(api)
    assert [len(page) for page in found] == [3, 3, 2]
    listed = [entry for page in found for entry in page]
    assert sorted(entry.id for entry in listed) == sorted(ids)
    times = [(entry.create_time.seconds, entry.id) for entry in listed]
    assert times == sorted(times, reverse=True)


async def test_marking_leaves_the_others_unread(
    service: NotificationHarness, api: NotificationServicer
) -> None:
    user = new_id("usr")
    ids = [await put(service, user, number) for number in range(5)]
    with signed_in(user):
        marked = await api.MarkRead(pb.MarkReadRequest(notification_ids=ids[:2]), NO_CONTEXT)
        assert marked.unread_count == 3
        unread = [entry for page in await pages(api, unread_only=True) for entry in page]
        assert {entry.id for entry in unread} == set(ids[2:])
        first = await api.ListNotifications(pb.ListNotificationsRequest(), NO_CONTEXT)
        assert first.unread_count == 3
        assert {entry.id for entry in first.data if entry.read} == set(ids[:2])
        assert (await api.MarkRead(pb.MarkReadRequest(all=True), NO_CONTEXT)).unread_count == 0


async def test_another_users_entry_is_not_found_and_nothing_is_marked(
    service: NotificationHarness, api: NotificationServicer
) -> None:
    user, outsider = new_id("usr"), new_id("usr")
    mine, theirs = await put(service, user, 1), await put(service, outsider, 1)
    with signed_in(user), pytest.raises(DomainError) as refusal:
        await api.MarkRead(pb.MarkReadRequest(notification_ids=[mine, theirs]), NO_CONTEXT)
    assert refusal.value.reason == "NOTIFICATION_NOT_FOUND"
    assert refusal.value.resource == ("notification", theirs)
    assert await service.store.count_unread(user) == 1
    assert await service.store.count_unread(outsider) == 1


async def test_a_stream_gives_what_came_since_and_then_what_arrives(
    followed: NotificationHarness, api: NotificationServicer
) -> None:
    user = new_id("usr")
    ids = [await put(followed, user, number) for number in range(4)]
    with signed_in(user):
        request = pb.StreamNotificationsRequest(last_notification_id=ids[1])
        headers = StreamContext()
        stream = api.StreamNotifications(request, cast("Any", headers))
        assert [(await anext(stream)).id, (await anext(stream)).id] == sorted(ids[2:])
        live = asyncio.create_task(_next_id(stream))
        await put(followed, new_id("usr"), 1)
        latest = await put(followed, user, 9, at=datetime.now(UTC))
        assert await asyncio.wait_for(live, WAIT_TIMEOUT_S) == latest
        assert headers.sent


async def test_a_stream_that_resumes_misses_nothing_and_repeats_nothing(
    followed: NotificationHarness, api: NotificationServicer
) -> None:
    user = new_id("usr")
    last, seen = "", list[str]()
    for number in range(0, 12, 3):
        stream = watched(followed, user, last)
        opening = asyncio.create_task(_next_entry(stream))
        await wait_until(lambda: followed.feed._count[user])
        await asyncio.sleep(0.05 if number == 0 else 0)
        await put(followed, user, number, at=datetime.now(UTC))
        seen.append((await asyncio.wait_for(opening, WAIT_TIMEOUT_S)).id)
        while len(seen) < number + 1:
            seen.append((await asyncio.wait_for(anext(stream), WAIT_TIMEOUT_S)).id)
        last = seen[-1]
        await stream.aclose()
        for missed in (number + 1, number + 2):
            await asyncio.sleep(0.002)
            await put(followed, user, missed, at=datetime.now(UTC))
    stored = await followed.store.list_page(user, unread_only=False, after=None, limit=50)
    assert seen == [entry.id for entry in reversed(stored)][: len(seen)]


async def _next_entry(stream: AsyncIterator[Notification]) -> Notification:
    return await anext(stream)


async def _next_id(stream: AsyncIterator[pb.Notification]) -> str:
    return (await anext(stream)).id


async def test_a_process_that_sees_an_arrival_late_does_not_repeat_it(followed: NotificationHarness) -> None:
    user = new_id("usr")
    seen_elsewhere = await put(followed, user, 0, at=datetime.now(UTC))
    stream = watched(followed, user, seen_elsewhere)
    opening = asyncio.create_task(_next_entry(stream))
    await wait_until(lambda: followed.feed._count[user])
    entry = (await followed.store.find_entries(user, [seen_elsewhere]))[seen_elsewhere]
    await asyncio.sleep(0.3)
    followed.feed._deliver(followed.store.partition_of(user), entry)
    latest = await put(followed, user, 1, at=datetime.now(UTC))
    assert (await asyncio.wait_for(opening, WAIT_TIMEOUT_S)).id == latest


async def test_an_entry_that_arrives_while_the_backlog_is_read_comes_once(
    followed: NotificationHarness,
) -> None:
    user = new_id("usr")
    first = await put(followed, user, 0, at=datetime.now(UTC))
    stream = watched(followed, user, first)
    opening = asyncio.create_task(_next_entry(stream))
    await wait_until(lambda: followed.feed._count[user])
    ids = []
    for number in range(1, 6):
        await asyncio.sleep(0.002)
        ids.append(await put(followed, user, number, at=datetime.now(UTC)))
    got = [(await asyncio.wait_for(opening, WAIT_TIMEOUT_S)).id]
    got += [(await asyncio.wait_for(anext(stream), WAIT_TIMEOUT_S)).id for _ in ids[1:]]
    assert got == ids


async def test_a_stream_ends_cleanly_when_the_process_closes(followed: NotificationHarness) -> None:
    user = new_id("usr")
    stream = watched(followed, user, "")
    waiting = asyncio.create_task(_next_entry(stream))
    await wait_until(lambda: followed.feed._count[user])
    await asyncio.sleep(0.1)
    await followed.feed.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, WAIT_TIMEOUT_S)
