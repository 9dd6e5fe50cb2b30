"""The gRPC interface of the notification service: the caller's own inbox."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from google.api.httpbody_pb2 import HttpBody
from google.rpc.status_pb2 import Status

from chassis.call_context import current_call, current_principal
from chassis.errors import Violation, invalid_argument
from chassis.grpc.handlers import RpcContext
from chassis.ids import is_id
from chassis.page_tokens import PageTokens, clamp_page_size
from chassis.redis.call_tickets import FIRST_USE_TIMEOUT_S, CallTickets
from internshipconnect.notification.v1 import notification_pb2 as pb
from internshipconnect.notification.v1.notification_pb2_grpc import NotificationServiceServicer
from services.notification import server_sent_events as sse
from services.notification.domain.inbox import Notification
from services.notification.mapping import notification_message, position_from_token, position_to_token
from services.notification.service.read_inbox import ReadInbox

_STREAM_METHOD: Final = "internshipconnect.notification.v1.NotificationService.StreamNotificationEvents"
_UNBUFFERED_HEADERS: Final = (("x-accel-buffering", "no"),)
"""Without it proxies such as nginx buffer a stream."""


class NotificationServicer(NotificationServiceServicer):
    """`NotificationService` of the contract; every call is about the caller's own inbox."""

    def __init__(
        self, inbox: ReadInbox, page_tokens: PageTokens, tickets: CallTickets, *, heartbeat_s: float
    ) -> None:
        self._inbox = inbox
        self._page_tokens = page_tokens
        self._tickets = tickets
        self._heartbeat_s = heartbeat_s

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: RpcContext
    ) -> pb.ListNotificationsResponse:
        """Return one page, newest first."""
        page = await self._inbox.list_page(
            current_principal().id,
            unread_only=request.unread_only,
            after=position_from_token(self._page_tokens.decode(request, request.page_token)),
            size=clamp_page_size(request.page_size),
        )
        token = (
            self._page_tokens.encode(request, position_to_token(page.next_position))
            if page.next_position
            else ""
        )
        return pb.ListNotificationsResponse(
            data=[notification_message(each) for each in page.notifications],
            next_page_token=token,
            unread_count=page.unread_count,
        )

    async def MarkRead(self, request: pb.MarkReadRequest, context: RpcContext) -> pb.MarkReadResponse:
        """Mark some entries, or all up to now."""
        if request.all:
            return pb.MarkReadResponse(unread_count=await self._inbox.mark_all_read(current_principal().id))
        unread_count = await self._inbox.mark_read(current_principal().id, list(request.notification_ids))
        return pb.MarkReadResponse(unread_count=unread_count)

    async def StreamNotifications(
        self, request: pb.StreamNotificationsRequest, context: RpcContext
    ) -> AsyncIterator[pb.Notification]:
        """Yield the entries since the client's last one, then entries as they arrive."""
        async with self._inbox.watch_inbox(
            current_principal().id, request.last_notification_id
        ) as notifications:
            # The first entry may be hours away; for a browser a stream is open only once its headers arrive.
            await context.send_initial_metadata(())
            async for notification in notifications:
                yield notification_message(notification)

    async def StreamNotificationEvents(
        self, request: pb.StreamNotificationEventsRequest, context: RpcContext
    ) -> AsyncIterator[HttpBody]:
        """Yield the same as server-sent events for browsers, with comments that keep the connection open."""
        last_id = request.last_notification_id or _last_event_id()
        async with self._inbox.watch_inbox(current_principal().id, last_id) as notifications:
            await context.send_initial_metadata(_UNBUFFERED_HEADERS)
            yield _http_body(sse.OPENING_EVENT)
            current_call().closing_message = _end_of_stream
            events = _event_bytes(notifications)
            async with aclosing(sse.with_heartbeats(events, self._heartbeat_s)) as beating:
                async for event in beating:
                    yield _http_body(event)

    async def CreateStreamTicket(
        self, request: pb.CreateStreamTicketRequest, context: RpcContext
    ) -> pb.CreateStreamTicketResponse:
        """Return a ticket for the caller's own stream."""
        ticket = await self._tickets.issue(current_principal(), _STREAM_METHOD)
        return pb.CreateStreamTicketResponse(ticket=ticket, expires_in=FIRST_USE_TIMEOUT_S)


def _last_event_id() -> str:
    """Return the header that EventSource sends when it reconnects."""
    given = current_call().metadata_text("last-event-id")
    if given and not is_id("ntf", given):
        raise invalid_argument(
            Violation("Last-Event-ID", "has to be the `id` of an event of this stream, or absent")
        )
    return given


async def _event_bytes(notifications: AsyncIterator[Notification]) -> AsyncIterator[bytes]:
    async for notification in notifications:
        yield sse.message_event(notification.id, notification_message(notification))


def _http_body(event: bytes) -> HttpBody:
    return HttpBody(content_type=sse.CONTENT_TYPE, data=event)


def _end_of_stream(status: Status) -> bytes:
    return bytes(_http_body(sse.end_event(status)).SerializeToString())
