from typing import Any

import pytest

from chassis.call_context import CallContext, Principal, current_principal_or_none
from chassis.errors import DomainError
from chassis.grpc.handlers import RpcContext
from chassis.grpc.interceptors.authentication import AuthenticationInterceptor
from internshipconnect.notification.v1.notification_pb2 import StreamNotificationEventsRequest
from tests.fakes.interceptor_calls import rpc, send_call

STUDENT = Principal(id="usr_1", kind="STUDENT", session_id="ses_1")
GET_INTERNSHIP = rpc("internship", "GetInternship")


class SingleTokenVerifierStub:
    """Knows one good token."""

    async def verify(self, token: str) -> Principal:
        if token != "good":
            raise DomainError("TOKEN_INVALID", "Not this one.")
        return STUDENT


class EndedSessions:
    """Knows which sessions have ended."""

    def __init__(self, *revoked: str) -> None:
        self.revoked = revoked

    async def raise_if_revoked(self, session_id: str) -> None:
        if session_id in self.revoked:
            raise DomainError("SESSION_REVOKED", "Over.")


async def who(_request: Any, _context: RpcContext) -> bytes:
    principal = current_principal_or_none()
    return principal.id.encode() if principal else b"nobody"


async def called_by(header: str | None, sessions: EndedSessions | None = None) -> bytes:
    call = CallContext(metadata={} if header is None else {"authorization": header})
    interceptor = AuthenticationInterceptor(SingleTokenVerifierStub(), sessions or EndedSessions())
    return await send_call(interceptor, GET_INTERNSHIP, who, call=call)


async def test_without_a_token_nobody_calls() -> None:
    assert await called_by(None) == b"nobody"


@pytest.mark.parametrize("header", ["Bearer good", "bearer good", "BEARER  good"])
async def test_a_good_token_says_who_calls_even_where_anybody_may(header: str) -> None:
    assert await called_by(header) == b"usr_1"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer bad",
        "Bearer ",
        "",
        "good",
        "Basic Z29vZA==",
        "Bearer good ",
        " Bearer good",
        "Bearer\tgood",
        "Bearergood",
        "Bearer good, Bearer good",
        "Bearer good,",
        "Bearer good good",
        "Bearer good\u00e9",
    ],
)
async def test_a_bad_token_is_an_error_even_where_anybody_may_call(header: str) -> None:
    with pytest.raises(DomainError) as caught:
        await called_by(header)
    assert caught.value.reason == "TOKEN_INVALID"


async def test_a_session_that_has_ended_is_refused() -> None:
    with pytest.raises(DomainError) as caught:
        await called_by("Bearer good", EndedSessions("ses_1"))
    assert caught.value.reason == "SESSION_REVOKED"


class SingleTicket:
    """Knows one ticket for the stream."""

    async def redeem(self, text: str, rpc: str, client: bytes) -> Principal:
        if (text, rpc) != ("ticket-1", EVENTS.full_name):
            raise DomainError("TOKEN_INVALID", "Not this one.")
        return STUDENT


EVENTS = rpc("notification", "StreamNotificationEvents")


async def listens(request: bytes, sessions: EndedSessions | None = None, **metadata: str | bytes) -> bytes:
    interceptor = AuthenticationInterceptor(
        SingleTokenVerifierStub(), sessions or EndedSessions(), SingleTicket()
    )
    return await send_call(interceptor, EVENTS, who, call=CallContext(metadata=metadata), request=request)


def with_ticket(text: str) -> bytes:
    return StreamNotificationEventsRequest(ticket=text).SerializeToString()


async def test_a_ticket_says_who_calls_where_the_contract_takes_one() -> None:
    assert await listens(with_ticket("ticket-1")) == b"usr_1"
    assert await listens(with_ticket("")) == b"nobody"
    assert await listens(b"\xff\xff") == b"nobody"


async def test_a_bad_ticket_is_an_error_and_a_good_one_ends_with_its_session() -> None:
    for request, sessions in (
        (with_ticket("ticket-2"), EndedSessions()),
        (with_ticket("ticket-1"), EndedSessions("ses_1")),
    ):
        with pytest.raises(DomainError) as caught:
            await listens(request, sessions)
        assert caught.value.reason in {"TOKEN_INVALID", "SESSION_REVOKED"}


async def test_a_token_that_is_sent_beside_a_ticket_decides() -> None:
    with pytest.raises(DomainError):
        await listens(with_ticket("ticket-1"), authorization="Bearer bad")
