"""The answers to sign-ins, by whichever proof."""

from chassis.call_context import add_answer_headers
from internshipconnect.auth.v1 import auth_pb2 as pb
from services.auth import mapping
from services.auth.domain.devices import DEVICE_LIFE
from services.auth.domain.sign_in_result import SignInResult
from services.auth.visitor import device_cookie


class SignInAnswers:
    """Answers with a session; `is_secure` says that browsers reach the service over TLS only."""

    def __init__(self, *, is_secure: bool) -> None:
        self._is_secure = is_secure

    def begin_session(self, signed_in: SignInResult) -> pb.SessionResponse:
        """Return the answer to a sign-in; browsers get the device token as a cookie, too."""
        token, life_s = signed_in.device_token, int(DEVICE_LIFE.total_seconds())
        add_answer_headers(
            ("set-cookie", device_cookie(signed_in.account.id, token, life_s, secure=self._is_secure))
        )
        return mapping.session_message(signed_in)
