"""The gRPC API of the auth service: parse, call, map."""

from typing import Final

from chassis.call_context import add_answer_headers, current_call, current_principal
from chassis.grpc.handlers import RpcContext
from chassis.languages import preferred_language
from chassis.rate_limit_headers import RateLimitStatus, format_rate_limit_headers
from internshipconnect.auth.v1 import auth_pb2 as pb
from internshipconnect.auth.v1.auth_pb2_grpc import AuthServiceServicer
from services.auth import mapping
from services.auth.domain.accounts import CODE_LIFE
from services.auth.domain.devices import DEVICE_LIFE
from services.auth.domain.sign_in_policy import FAILURE_WINDOW, SignInStanding
from services.auth.domain.sign_in_result import SignInResult
from services.auth.keyring import KeyRing
from services.auth.service.use_cases import AuthUseCases
from services.auth.visitor import current_visitor, device_cookie

REGISTERED_MESSAGE: Final = (
    "If the address can be used, a code is on its way to it. Enter it to prove that it is yours."
)
_ALLOWANCE_NAME: Final = "LOGIN"


class AuthServicer(AuthServiceServicer):
    """Answers the RPCs of `AuthService`."""

    def __init__(self, cases: AuthUseCases, keys: KeyRing, *, is_secure: bool) -> None:
        self._register = cases.register
        self._sign_in = cases.sign_in
        self._keys = keys
        self._is_secure = is_secure

    async def Register(self, request: pb.RegisterRequest, context: RpcContext) -> pb.RegisterResponse:
        await self._register.register(
            email=request.email,
            password=request.password,
            name=request.name,
            kind=mapping.account_kind_from_number(request.kind),
            company_name=request.company_name,
            locale=preferred_language(current_call().metadata_text("accept-language")),
            visitor=current_visitor(),
        )
        return pb.RegisterResponse(
            message=REGISTERED_MESSAGE, code_expires_in_s=int(CODE_LIFE.total_seconds())
        )

    async def VerifyEmail(self, request: pb.VerifyEmailRequest, context: RpcContext) -> pb.SessionResponse:
        signed_in = await self._register.verify_email(request.email, request.code, current_visitor())
        return self._sign_in_response(signed_in)

    async def Login(self, request: pb.LoginRequest, context: RpcContext) -> pb.SessionResponse:
        visitor = current_visitor(request.device_token)
        return self._sign_in_response(
            await self._sign_in.login(request.email, request.password, visitor, add_allowance_headers)
        )

    async def Refresh(self, request: pb.RefreshRequest, context: RpcContext) -> pb.SessionResponse:
        return mapping.session_message(await self._sign_in.refresh(request.refresh_token, current_visitor()))

    async def Logout(self, request: pb.LogoutRequest, context: RpcContext) -> pb.LogoutResponse:
        await self._sign_in.logout(current_principal().session_id)
        return pb.LogoutResponse()

    async def GetJwks(self, request: pb.GetJwksRequest, context: RpcContext) -> pb.Jwks:
        return pb.Jwks(keys=[mapping.jwk_message(key) for key in await self._keys.published_keys()])

    def _sign_in_response(self, signed_in: SignInResult) -> pb.SessionResponse:
        """Return the answer to a sign-in; browsers get the device token as a cookie, too."""
        token, life_s = signed_in.device_token, int(DEVICE_LIFE.total_seconds())
        add_answer_headers(
            ("set-cookie", device_cookie(signed_in.account.id, token, life_s, secure=self._is_secure))
        )
        return mapping.session_message(signed_in)


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
