"""What tests of notices and mails ask of the notification service."""

from datetime import UTC, datetime

from chassis.ids import new_id
from chassis.messaging import IncomingEvent
from services.notification.domain.account_notices import compromised_session_notices
from services.notification.domain.inbox import (
    Notification,
)
from services.notification.domain.notices import Notices
from services.notification.service.dispatcher import NoticedEvent
from tests.integration.notification.conftest import (
    NotificationHarness,
)


async def inbox(service: NotificationHarness, user_id: str) -> list[Notification]:
    return await service.store.list_page(user_id, unread_only=False, after=None, limit=50)


def incoming(subject: str) -> IncomingEvent:
    return IncomingEvent(
        event_id=new_id("evt"),
        type="auth.session.compromised",
        source="auth",
        subject=subject,
        time=datetime.now(UTC),
        traceparent="",
        queue="notification-dispatch",
    )


def warning_notices(user_id: str) -> Notices:
    return compromised_session_notices(user_id, "", "", datetime(2027, 1, 1, tzinfo=UTC))


async def handle_once(service: NotificationHarness, user_id: str) -> str:
    """Notify a user without sending the mail; return the delivery's ID."""
    noticed = NoticedEvent(incoming(user_id), warning_notices(user_id))
    assert await service.dispatcher.dispatch([noticed]) == []
    (entry,) = await inbox(service, user_id)
    return entry.id
