"""The inbox over gRPC."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc

from chassis.caller import caller
from chassis.paging import PageTokens, page_size
from internshipconnect.notification.v1 import notification_pb2 as pb
from internshipconnect.notification.v1.notification_pb2_grpc import NotificationServiceServicer
from services.notification.domain.inbox import Notification
from services.notification.service import Inbox
from services.notification.store import Position

Context = grpc.aio.ServicerContext[Any, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class NotificationApi(NotificationServiceServicer):
    """Every call is about the caller's own inbox."""

    def __init__(self, inbox: Inbox, page_tokens: PageTokens) -> None:
        self._inbox = inbox
        self._page_tokens = page_tokens

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: Context
    ) -> pb.ListNotificationsResponse:
        """One page, newest first."""
        page = await self._inbox.page(
            caller().id,
            unread_only=request.unread_only,
            after=_position(self._page_tokens.read(request, request.page_token)),
            size=page_size(request.page_size),
        )
        token = self._page_tokens.issue(request, _written(page.next_position)) if page.next_position else ""
        return pb.ListNotificationsResponse(
            data=[_message(each) for each in page.notifications],
            next_page_token=token,
            unread_count=page.unread_count,
        )

    async def MarkRead(self, request: pb.MarkReadRequest, context: Context) -> pb.MarkReadResponse:
        """Marks some entries, or all up to now."""
        if request.all:
            return pb.MarkReadResponse(unread_count=await self._inbox.mark_all_read(caller().id))
        left = await self._inbox.mark_read(caller().id, list(request.notification_ids))
        return pb.MarkReadResponse(unread_count=left)

    async def StreamNotifications(
        self, request: pb.StreamNotificationsRequest, context: Context
    ) -> AsyncIterator[pb.Notification]:
        """What came since the last entry, then entries as they arrive."""
        async with self._inbox.watching(caller().id, request.last_notification_id) as notifications:
            # The first entry may be hours away; to a browser a stream is not open before its headers come.
            await context.send_initial_metadata(())
            async for notification in notifications:
                yield _message(notification)


def _message(notification: Notification) -> pb.Notification:
    message = pb.Notification(
        id=notification.id,
        category=pb.NotificationCategory.Value(f"NOTIFICATION_CATEGORY_{notification.category}"),
        title=notification.title,
        body=notification.body,
        subject_id=notification.about,
        read=notification.read,
    )
    message.create_time.FromDatetime(notification.create_time)
    return message


def _written(position: Position) -> tuple[int, str]:
    moment, id_ = position
    return (moment - _EPOCH) // _MILLISECOND, id_


def _position(written: list[Any] | None) -> Position | None:
    if written is None:
        return None
    milliseconds, id_ = written
    return _EPOCH + milliseconds * _MILLISECOND, id_
