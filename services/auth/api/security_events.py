"""What happened to accounts, for their owners and for administrators."""

from google.protobuf.message import Message

from chassis.call_context import current_principal
from chassis.grpc.handlers import RpcContext
from chassis.page_tokens import PageTokens, clamp_page_size
from internshipconnect.auth.v1 import security_events_pb2 as pb
from internshipconnect.auth.v1.security_events_pb2_grpc import SecurityEventServiceServicer
from services.auth import mapping
from services.auth.service.read_security_events import ReadSecurityEvents


class SecurityEventServicer(SecurityEventServiceServicer):
    """Answers the RPCs of `SecurityEventService`."""

    def __init__(self, events: ReadSecurityEvents, page_tokens: PageTokens) -> None:
        self._events = events
        self._page_tokens = page_tokens

    async def ListSecurityEvents(
        self, request: pb.ListSecurityEventsRequest, context: RpcContext
    ) -> pb.ListSecurityEventsResponse:
        page, further = await self._events.list_own(
            current_principal().id,
            below=self._position(request, request.page_token),
            size=clamp_page_size(request.page_size),
        )
        return pb.ListSecurityEventsResponse(
            data=[mapping.security_event_message(each) for each in page],
            next_page_token=self._token(request, further),
        )

    async def ListAccountSecurityEvents(
        self, request: pb.ListAccountSecurityEventsRequest, context: RpcContext
    ) -> pb.ListAccountSecurityEventsResponse:
        page, further = await self._events.list_of_account(
            request.user_id,
            below=self._position(request, request.page_token),
            size=clamp_page_size(request.page_size),
        )
        return pb.ListAccountSecurityEventsResponse(
            data=[mapping.security_event_message(each, names_performer=True) for each in page],
            next_page_token=self._token(request, further),
        )

    def _position(self, request: Message, token: str) -> int | None:
        position = self._page_tokens.decode(request, token)
        return int(position[0] or 0) if position else None

    def _token(self, request: Message, further: int | None) -> str:
        return "" if further is None else self._page_tokens.encode(request, [further])
