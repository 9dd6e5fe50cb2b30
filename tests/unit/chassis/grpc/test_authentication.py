from typing import Any

import pytest

from chassis.caller import Call, Principal, caller_or_none
from chassis.errors import DomainError
from chassis.grpc.handlers import Context
from chassis.grpc.interceptors.authentication import Authentication
from tests.fakes.calls import rpc, send

STUDENT = Principal(id="usr_1", kind="STUDENT", session_id="ses_1")
GET_INTERNSHIP = rpc("internship", "GetInternship")


class Tokens:
    """Knows one good token."""

    async def verify(self, token: str) -> Principal:
        if token != "good":
            raise DomainError("TOKEN_INVALID", "Not this one.")
        return STUDENT


class Sessions:
    """Knows which sessions have ended."""

    def __init__(self, *revoked: str) -> None:
        self.revoked = revoked

    async def refuse_revoked(self, session_id: str) -> None:
        if session_id in self.revoked:
            raise DomainError("SESSION_REVOKED", "Over.")


async def who(_request: Any, _context: Context) -> bytes:
    principal = caller_or_none()
    return principal.id.encode() if principal else b"nobody"


async def called_by(header: str | None, sessions: Sessions | None = None) -> bytes:
    call = Call(metadata={} if header is None else {"authorization": header})
    interceptor = Authentication(Tokens(), sessions or Sessions())
    return await send(interceptor, GET_INTERNSHIP, who, call=call)


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
        await called_by("Bearer good", Sessions("ses_1"))
    assert caught.value.reason == "SESSION_REVOKED"
