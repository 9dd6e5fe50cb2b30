"""The auth and user services as they run: tokens of the one open the doors of the other."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from chassis.errors import DomainError
from chassis.grpc.error_status import STATUS_DETAILS_METADATA_KEY, status_to_error
from internshipconnect.auth.v1 import auth_pb2 as auth
from internshipconnect.auth.v1.auth_pb2_grpc import AuthServiceStub
from internshipconnect.common.v1.common_pb2 import ACCOUNT_KIND_COMPANY, ACCOUNT_KIND_STUDENT
from internshipconnect.user.v1 import user_pb2 as user
from internshipconnect.user.v1.user_pb2_grpc import UserServiceStub
from tests.integration.auth.conftest import PASSWORD
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S

EVENT_TIMEOUT_S = WAIT_TIMEOUT_S


@dataclass(frozen=True)
class AuthAndUserStubs:
    """Typed stubs of the two services."""

    auth: Any
    user: Any

    async def signed_in(self, *, company: str = "") -> auth.Session:
        """Register an address and sign in without having proven it."""
        email = f"{secrets.token_hex(8)}@campus.test"
        kind = ACCOUNT_KIND_COMPANY if company else ACCOUNT_KIND_STUDENT
        request = auth.RegisterRequest(
            email=email, password=PASSWORD, name="Ada", kind=kind, company_name=company
        )
        await self.auth.Register(request)
        response: auth.SessionResponse = await self.auth.Login(
            auth.LoginRequest(email=email, password=PASSWORD)
        )
        return response.data

    async def me(self, session: auth.Session) -> user.Me:
        answer: user.Me = await self.user.GetMe(user.GetMeRequest(), metadata=bearer(session))
        return answer


@pytest.fixture
async def wire(stack: StackHandle) -> AsyncIterator[AuthAndUserStubs]:
    async with (
        grpc.aio.insecure_channel(stack.grpc_address("auth")) as to_auth,
        grpc.aio.insecure_channel(stack.grpc_address("user")) as to_user,
    ):
        yield AuthAndUserStubs(AuthServiceStub(to_auth), UserServiceStub(to_user))


def bearer(session: auth.Session) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {session.tokens.access_token}"),)


async def refusal(call: Awaitable[Any]) -> DomainError:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call
    details = dict(failure.value.trailing_metadata())[STATUS_DETAILS_METADATA_KEY]
    assert isinstance(details, bytes)
    error = status_to_error(details)
    assert error is not None
    return error


async def test_a_token_opens_the_profile_at_once_and_the_name_follows(wire: AuthAndUserStubs) -> None:
    session = await wire.signed_in()
    assert (await wire.me(session)).id == session.user.id
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while not (me := await wire.me(session)).name:
            await asyncio.sleep(0.05)
    assert (me.name, me.email) == ("Ada", session.user.email)


async def test_a_company_gets_its_page_by_the_news_of_its_registration(wire: AuthAndUserStubs) -> None:
    session = await wire.signed_in(company="Acme")
    request = user.GetCompanyRequest(company_id=session.user.company_id)
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while True:
            try:
                company = await wire.user.GetCompany(request)
                break
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.1)
    assert company.name == "Acme"
    assert await wire.user.GetCompany(request) == company


async def test_logging_out_closes_every_door_of_the_session(wire: AuthAndUserStubs) -> None:
    session = await wire.signed_in()
    await wire.auth.Logout(auth.LogoutRequest(), metadata=bearer(session))
    assert (await refusal(wire.me(session))).reason == "SESSION_REVOKED"
    token = auth.RefreshRequest(refresh_token=session.tokens.refresh_token)
    assert (await refusal(wire.auth.Refresh(token))).reason == "INVALID_REFRESH_TOKEN"


async def test_a_refreshed_session_opens_the_same_profile(wire: AuthAndUserStubs) -> None:
    session = await wire.signed_in()
    token = auth.RefreshRequest(refresh_token=session.tokens.refresh_token)
    renewed = (await wire.auth.Refresh(token)).data
    assert (await wire.me(renewed)).id == session.user.id


async def test_an_unproven_company_cannot_change_its_page(wire: AuthAndUserStubs) -> None:
    session = await wire.signed_in(company="Acme")
    request = user.UpdateMyCompanyRequest(company=user.Company(about="We make anvils."))
    error = await refusal(wire.user.UpdateMyCompany(request, metadata=bearer(session)))
    assert error.reason == "EMAIL_NOT_VERIFIED"


async def test_an_easy_password_is_refused_by_field(wire: AuthAndUserStubs) -> None:
    request = auth.RegisterRequest(
        email="eve@campus.test", password="password123", name="Eve", kind=ACCOUNT_KIND_STUDENT
    )
    error = await refusal(wire.auth.Register(request))
    assert [violation.field for violation in error.violations] == ["password"]


async def test_an_unknown_path_of_a_mask_is_refused_by_field(wire: AuthAndUserStubs) -> None:
    session = await wire.signed_in()
    request = user.UpdateMeRequest(me=user.Me(name="Ada"))
    request.update_mask.paths.append("nickname")
    error = await refusal(wire.user.UpdateMe(request, metadata=bearer(session)))
    assert [(each.field, each.description) for each in error.violations] == [
        ("update_mask", "there is no field `nickname`")
    ]


async def test_the_key_set_holds_the_key_that_signs(wire: AuthAndUserStubs) -> None:
    session = await wire.signed_in()
    keys: auth.Jwks = await wire.auth.GetJwks(auth.GetJwksRequest())
    assert {(key.kty, key.crv, key.alg, key.use) for key in keys.keys} == {("EC", "P-256", "ES256", "sig")}
    assert session.tokens.expires_in == 15 * 60
