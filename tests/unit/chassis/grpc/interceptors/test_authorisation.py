import pytest

from chassis.call_context import CallContext, Principal
from chassis.contracts import RpcSpec
from chassis.errors import DomainError
from chassis.grpc.interceptors.authorisation import AuthorisationInterceptor
from tests.fakes.interceptor_calls import respond_with, rpc, send_call

PUBLISH = rpc("internship", "PublishInternship")
TAKE_OPENING = rpc("internship", "TakeOpening")
GET_ME = rpc("user", "GetMe")
MY_INTERNSHIPS = rpc("internship", "ListMyInternships")

STUDENT = Principal(id="usr_1", kind="STUDENT", email_verified=True)
OWNER = Principal(id="usr_2", kind="COMPANY", role="OWNER", email_verified=True)
VIEWER = Principal(id="usr_3", kind="COMPANY", role="VIEWER", email_verified=True)
UNVERIFIED_OWNER = Principal(id="usr_4", kind="COMPANY", role="OWNER")
ADMIN = Principal(id="usr_5", kind="ADMIN", email_verified=True)
SERVICE = Principal(id="application", kind="SERVICE")


async def outcome(spec: RpcSpec, principal: Principal | None) -> str:
    try:
        await send_call(
            AuthorisationInterceptor(), spec, respond_with(), call=CallContext(principal=principal)
        )
    except DomainError as error:
        return error.reason
    return "OK"


@pytest.mark.parametrize(
    ("spec", "principal", "expected"),
    [
        (PUBLISH, None, "TOKEN_MISSING"),
        (PUBLISH, STUDENT, "PERMISSION_DENIED"),
        (PUBLISH, VIEWER, "PERMISSION_DENIED"),
        (PUBLISH, ADMIN, "PERMISSION_DENIED"),
        (PUBLISH, SERVICE, "PERMISSION_DENIED"),
        (PUBLISH, UNVERIFIED_OWNER, "EMAIL_NOT_VERIFIED"),
        (PUBLISH, OWNER, "OK"),
        (MY_INTERNSHIPS, VIEWER, "OK"),
        (MY_INTERNSHIPS, UNVERIFIED_OWNER, "OK"),
        (GET_ME, STUDENT, "OK"),
        (GET_ME, ADMIN, "OK"),
        (GET_ME, SERVICE, "PERMISSION_DENIED"),
        (GET_ME, None, "TOKEN_MISSING"),
        (TAKE_OPENING, SERVICE, "OK"),
        (TAKE_OPENING, OWNER, "PERMISSION_DENIED"),
        (TAKE_OPENING, ADMIN, "PERMISSION_DENIED"),
    ],
)
async def test_the_contract_decides_who_may_call(
    spec: RpcSpec, principal: Principal | None, expected: str
) -> None:
    assert await outcome(spec, principal) == expected


def test_a_public_call_is_not_checked_at_all() -> None:
    proceed = respond_with()
    assert AuthorisationInterceptor().bind(rpc("auth", "Login"), proceed) is proceed
