"""What a person's own copy holds of their inbox."""

from datetime import UTC, datetime, timedelta

import orjson

from chassis.ids import new_id, slot_of
from chassis.mongo.documents import to_document
from chassis.personal_data import iterate_personal_data
from services.notification.domain.contents import NotificationCategory
from services.notification.domain.inbox import Notification
from services.notification.repository import NOTIFICATIONS
from services.notification.service.list_personal_data import ListNotificationData
from tests.integration.notification.conftest import NotificationHarness

START = datetime(2026, 3, 3, tzinfo=UTC)


async def put(service: NotificationHarness, user_id: str, at: datetime) -> str:
    entry = Notification(
        id=new_id("ntf", slot_of(user_id)),
        recipient_id=user_id,
        category=NotificationCategory.APPLICATION,
        template="application_received",
        title="Received",
        body="We have it.",
        about="",
        create_time=at,
    )
    inbox = service.shards.shard_for(user_id).db[NOTIFICATIONS]
    await inbox.insert_one(to_document(entry, slot=slot_of(user_id)))
    return entry.id


async def test_recipient_and_inbox_are_listed_over_all_pages(service: NotificationHarness) -> None:
    ada, eve = await service.know("Ada", "Eve")
    # Some at the same time: the ID breaks the tie between pages.
    entries = [await put(service, ada, START + timedelta(seconds=number // 3)) for number in range(45)]
    await put(service, eve, START)
    found = [each async for each in iterate_personal_data(ListNotificationData(service.store).source, ada)]
    [recipient] = [orjson.loads(each.json) for each in found if each.collection == "recipient"]
    assert (recipient["id"], recipient["name"]) == (ada, "Ada")
    listed = [orjson.loads(each.json)["id"] for each in found if each.collection == "notifications"]
    assert sorted(listed) == sorted(entries)
