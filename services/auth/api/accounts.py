"""Accounts, sign-in, sessions and keys."""

from datetime import UTC, datetime
from typing import Final

from chassis.call_context import add_answer_headers, current_call, current_principal
from chassis.grpc.handlers import RpcContext
from chassis.languages import preferred_language
from chassis.rate_limit_headers import RateLimitStatus, format_rate_limit_headers
from internshipconnect.auth.v1 import auth_pb2 as pb
from internshipconnect.auth.v1.auth_pb2_grpc import AuthServiceServicer
from services.auth import mapping
from services.auth.api.answers import SignInAnswers
from services.auth.domain.codes import CODE_LIFE
from services.auth.domain.sign_in_policy import FAILURE_WINDOW, SignInStanding
from services.auth.service.answer_floor import MIN_ANSWER_WITH_HASH_S, taking_at_least
from services.auth.service.use_cases import AuthUseCases
from services.auth.visitor import current_visitor

REGISTERED_MESSAGE: Final = (
    "If the address can be used, a code is on its way to it. Enter it to prove that it is yours."
)
RESENT_MESSAGE: Final = (
    "If this address was registered from here, a new code is on its way to it. If none comes, register again."
)
RESET_MESSAGE: Final = (
    "If there is an account with this address, a code is on its way to it. Enter it with another password."
)
ADDRESS_MESSAGE: Final = "If the address can be used, a code is on its way to it. Enter it to prove that."
_ALLOWANCE_NAME: Final = "LOGIN"
_CODE_LIFE_S: Final = int(CODE_LIFE.total_seconds())


class AuthServicer(AuthServiceServicer):
    """Answers the RPCs of `AuthService`."""

    def __init__(self, cases: AuthUseCases, answers: SignInAnswers, *, issuer: str) -> None:
        self._register = cases.register
        self._sign_in = cases.sign_in
        self._passwords = cases.replace_password
        self._addresses = cases.change_address
        self._sessions = cases.manage_sessions
        self._keys = cases.keys
        self._answers = answers
        self._issuer = issuer

    async def Register(self, request: pb.RegisterRequest, context: RpcContext) -> pb.RegisterResponse:
        async with taking_at_least(MIN_ANSWER_WITH_HASH_S):
            await self._register.register(
                email=request.email,
                password=request.password,
                name=request.name,
                kind=mapping.account_kind_from_number(request.kind),
                company_name=request.company_name,
                locale=preferred_language(current_call().metadata_text("accept-language")),
                visitor=current_visitor(),
            )
        return pb.RegisterResponse(message=REGISTERED_MESSAGE, code_expires_in_s=_CODE_LIFE_S)

    async def VerifyEmail(self, request: pb.VerifyEmailRequest, context: RpcContext) -> pb.SessionResponse:
        signed_in = await self._register.verify_email(request.email, request.code, current_visitor())
        return self._answers.begin_session(signed_in)

    async def Login(self, request: pb.LoginRequest, context: RpcContext) -> pb.SessionResponse:
        visitor = current_visitor(request.device_token)
        return self._answers.begin_session(
            await self._sign_in.login(
                request.email,
                request.password,
                visitor,
                add_allowance_headers,
                second_factor=request.second_factor,
            )
        )

    async def Refresh(self, request: pb.RefreshRequest, context: RpcContext) -> pb.SessionResponse:
        return mapping.session_message(await self._sign_in.refresh(request.refresh_token, current_visitor()))

    async def Logout(self, request: pb.LogoutRequest, context: RpcContext) -> pb.LogoutResponse:
        await self._sign_in.logout(current_principal().session_id)
        return pb.LogoutResponse()

    async def ResendCode(self, request: pb.ResendCodeRequest, context: RpcContext) -> pb.ResendCodeResponse:
        async with taking_at_least():
            await self._register.resend_code(request.email, current_visitor())
        return pb.ResendCodeResponse(message=RESENT_MESSAGE, code_expires_in_s=_CODE_LIFE_S)

    async def RequestPasswordReset(
        self, request: pb.RequestPasswordResetRequest, context: RpcContext
    ) -> pb.RequestPasswordResetResponse:
        async with taking_at_least():
            await self._passwords.request_reset(request.email, current_visitor())
        return pb.RequestPasswordResetResponse(message=RESET_MESSAGE, code_expires_in_s=_CODE_LIFE_S)

    async def ResetPassword(
        self, request: pb.ResetPasswordRequest, context: RpcContext
    ) -> pb.ResetPasswordResponse:
        await self._passwords.reset(request.email, request.code, request.new_password, current_visitor())
        return pb.ResetPasswordResponse()

    async def ChangePassword(
        self, request: pb.ChangePasswordRequest, context: RpcContext
    ) -> pb.SessionResponse:
        caller = current_principal()
        return self._answers.begin_session(
            await self._passwords.change(
                caller.id,
                request.password,
                request.new_password,
                current_visitor(),
                amr=caller.amr,
                auth_time=datetime.fromtimestamp(caller.auth_time, UTC),
            )
        )

    async def RequestEmailChange(
        self, request: pb.RequestEmailChangeRequest, context: RpcContext
    ) -> pb.RequestEmailChangeResponse:
        caller = current_principal().id
        await self._addresses.request_change(caller, request.email, request.password, current_visitor())
        return pb.RequestEmailChangeResponse(message=ADDRESS_MESSAGE, code_expires_in_s=_CODE_LIFE_S)

    async def ConfirmEmailChange(
        self, request: pb.ConfirmEmailChangeRequest, context: RpcContext
    ) -> pb.ConfirmEmailChangeResponse:
        changed = await self._addresses.confirm_change(
            current_principal().id, request.code, current_visitor()
        )
        return pb.ConfirmEmailChangeResponse(user=mapping.user_message(changed))

    async def ListSessions(
        self, request: pb.ListSessionsRequest, context: RpcContext
    ) -> pb.ListSessionsResponse:
        caller = current_principal()
        sessions = await self._sessions.list_sessions(caller.id)
        return pb.ListSessionsResponse(
            data=[
                mapping.session_info_message(each, current=each.id == caller.session_id) for each in sessions
            ]
        )

    async def EndSession(self, request: pb.EndSessionRequest, context: RpcContext) -> pb.EndSessionResponse:
        await self._sessions.end_session(current_principal().id, request.session_id)
        return pb.EndSessionResponse()

    async def EndOtherSessions(
        self, request: pb.EndOtherSessionsRequest, context: RpcContext
    ) -> pb.EndOtherSessionsResponse:
        caller = current_principal()
        ended = await self._sessions.end_other_sessions(caller.id, caller.session_id)
        return pb.EndOtherSessionsResponse(ended=ended)

    async def GetJwks(self, request: pb.GetJwksRequest, context: RpcContext) -> pb.Jwks:
        return pb.Jwks(keys=[mapping.jwk_message(key) for key in await self._keys.published_keys()])

    async def GetOpenIdConfiguration(
        self, request: pb.GetOpenIdConfigurationRequest, context: RpcContext
    ) -> pb.OpenIdConfiguration:
        return mapping.openid_configuration_message(self._issuer)


def add_allowance_headers(standing: SignInStanding) -> None:
    """Add to the answer how many failed sign-ins the caller has left."""
    window, window_s = standing.binding_window, int(FAILURE_WINDOW.total_seconds())
    is_refused = standing.wait_s > 0
    remaining, reset_s = (0, standing.wait_s) if is_refused else (window.remaining, window.reset_s)
    add_answer_headers(
        *format_rate_limit_headers(
            RateLimitStatus(_ALLOWANCE_NAME, window.limit, window_s, remaining, reset_s)
        )
    )
