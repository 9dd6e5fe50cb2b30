"""The gRPC face of the auth service."""

from typing import Any

import grpc

from chassis.call_context import add_answer_headers, current_principal
from internshipconnect.auth.v1 import auth_pb2 as pb
from internshipconnect.auth.v1.auth_pb2_grpc import AuthServiceServicer
from internshipconnect.common.v1 import common_pb2 as common
from services.auth.domain import (
    ACCESS_TOKEN_LIFE,
    CODE_LIFE,
    DEVICE_LIFE,
    Account,
    AccountKind,
    SigningKey,
)
from services.auth.keyring import KeyRing
from services.auth.service import Register, SignIn, SignInResult
from services.auth.visitor import current_visitor, device_cookie

Context = grpc.aio.ServicerContext[Any, Any]

REGISTERED_MESSAGE = (
    "If the address can be used, a code is on its way to it. Enter it to prove that it is yours."
)


class AuthServicer(AuthServiceServicer):
    """Parses, calls and maps."""

    def __init__(self, registering: Register, signing_in: SignIn, keys: KeyRing, *, is_secure: bool) -> None:
        self._registering = registering
        self._signing_in = signing_in
        self._keys = keys
        self._is_secure = is_secure

    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.RegisterResponse:
        await self._registering.register(
            email=request.email,
            password=request.password,
            name=request.name,
            kind=AccountKind(common.AccountKind.Name(request.kind).removeprefix("ACCOUNT_KIND_")),
            company_name=request.company_name,
        )
        return pb.RegisterResponse(
            message=REGISTERED_MESSAGE, code_expires_in_s=int(CODE_LIFE.total_seconds())
        )

    async def VerifyEmail(self, request: pb.VerifyEmailRequest, context: Context) -> pb.SessionResponse:
        signed_in = await self._registering.verify_email(request.email, request.code, current_visitor())
        return self._welcomed(signed_in)

    async def Login(self, request: pb.LoginRequest, context: Context) -> pb.SessionResponse:
        who = current_visitor(request.device_token)
        return self._welcomed(await self._signing_in.login(request.email, request.password, who))

    async def Refresh(self, request: pb.RefreshRequest, context: Context) -> pb.SessionResponse:
        return _session_message(await self._signing_in.refresh(request.refresh_token, current_visitor()))

    async def Logout(self, request: pb.LogoutRequest, context: Context) -> pb.LogoutResponse:
        await self._signing_in.logout(current_principal().session_id)
        return pb.LogoutResponse()

    async def GetJwks(self, request: pb.GetJwksRequest, context: Context) -> pb.Jwks:
        return pb.Jwks(keys=[_jwk_message(key) for key in await self._keys.published()])

    def _welcomed(self, signed_in: SignInResult) -> pb.SessionResponse:
        """The answer to who has signed in; browsers get the device token as a cookie, too."""
        token, life_s = signed_in.device_token, int(DEVICE_LIFE.total_seconds())
        add_answer_headers(
            ("set-cookie", device_cookie(signed_in.account.id, token, life_s, secure=self._is_secure))
        )
        answer = _session_message(signed_in)
        answer.data.device_token = token
        return answer


def _session_message(signed_in: SignInResult) -> pb.SessionResponse:
    tokens = pb.Tokens(
        access_token=signed_in.access_token,
        refresh_token=signed_in.refresh_token,
        expires_in=int(ACCESS_TOKEN_LIFE.total_seconds()),
    )
    return pb.SessionResponse(data=pb.Session(user=_user_message(signed_in.account), tokens=tokens))


def _user_message(account: Account) -> pb.User:
    holder = account.holder
    user = pb.User(
        id=account.id,
        email=account.email,
        kind=common.AccountKind.Value(f"ACCOUNT_KIND_{holder.kind}"),
        role=common.CompanyRole.Value(f"COMPANY_ROLE_{holder.role or 'UNSPECIFIED'}"),
        company_id=holder.company_id,
        plan=common.Plan.Value(f"PLAN_{account.plan}"),
        state=pb.AccountState.Value(f"ACCOUNT_STATE_{account.state}"),
        email_verified=account.email_verified,
    )
    user.create_time.FromDatetime(account.create_time)
    return user


def _jwk_message(key: SigningKey) -> pb.Jwk:
    return pb.Jwk(kty="EC", crv="P-256", kid=key.kid, use="sig", alg="ES256", x=key.x, y=key.y)
