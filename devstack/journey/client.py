"""A person at the HTTP edge: sends calls, keeps the tokens, reads the mails."""

import re
import secrets
import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import httpx

from chassis.errors import UNAVAILABLE_REASONS
from ops.waiting import wait_until

CALL_TIMEOUT_S: Final = 30.0
WAIT_TIMEOUT_S: Final = 60.0
POLL_INTERVAL_S: Final = 0.1
POLL_INTERVAL_GROWTH: Final = 1.6
"""Polls count against the limit of requests a minute, so the pauses grow."""

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class HttpExchange:
    """One HTTP call and its answer."""

    method: str
    path: str
    status: int
    request_body: Json | None
    response_body: Json
    took_ms: float


class ApiError(Exception):
    """The API refused a call; `status` is HTTP's, `reason` is the contract's."""

    def __init__(self, exchange: HttpExchange) -> None:
        details = exchange.response_body.get("details", [])
        self.status = exchange.status
        self.reason = next((each["reason"] for each in details if "reason" in each), "")
        self.violations = {
            violation["field"]: violation["description"]
            for each in details
            for violation in each.get("fieldViolations", [])
        }
        self.body = exchange.response_body
        where = f"{exchange.method} {exchange.path}"
        super().__init__(
            f"{where} answered {self.status} {self.reason}: {exchange.response_body.get('message', '')}"
        )


def ignore_exchange(_: HttpExchange) -> None:
    """Do nothing with an exchange."""


@dataclass
class ApiUser:
    """A user of the API over HTTP, and their mailbox."""

    base_url: str
    mailbox_url: str
    email: str
    on_exchange: Callable[[HttpExchange], None] = ignore_exchange
    trust: ssl.SSLContext | bool = True
    """The authorities that are trusted to sign the gateway's certificate."""
    access_token: str = ""
    refresh_token: str = ""
    user: Json = field(default_factory=dict)
    address: str = field(default_factory=lambda: f"198.18.{secrets.randbelow(256)}.{secrets.randbelow(256)}")
    """The client's address, in a network reserved for tests; a local gateway trusts it."""

    def __post_init__(self) -> None:
        self._http = httpx.Client(
            timeout=CALL_TIMEOUT_S,
            trust_env=False,
            verify=self.trust,
            headers={"x-forwarded-for": self.address},
        )

    def get(self, path: str, **parameters: Any) -> Json:
        """Read. Raises ApiError when the API refuses."""
        return self.call("GET", path, parameters=parameters)

    def post(self, path: str, **body: Any) -> Json:
        """Do something, with an idempotency key of its own. Raises ApiError when the API refuses."""
        return self.call("POST", path, body=body)

    def patch(self, path: str, **body: Any) -> Json:
        """Change something. Raises ApiError when the API refuses."""
        return self.call("PATCH", path, body=body)

    def call(
        self, method: str, path: str, *, body: Json | None = None, parameters: Json | None = None
    ) -> Json:
        """Send one call and give the answer's JSON. Raises ApiError when the API refuses."""
        headers = {"authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        if method != "GET":
            headers["idempotency-key"] = str(uuid.uuid4())
        started = time.perf_counter()
        answer = self._http.request(
            method, self.base_url + path, json=body, params=parameters, headers=headers
        )
        exchange = HttpExchange(
            method=method,
            path=answer.request.url.raw_path.decode(),
            status=answer.status_code,
            request_body=body,
            response_body=answer.json(),
            took_ms=(time.perf_counter() - started) * 1000,
        )
        self.on_exchange(exchange)
        if answer.is_error:
            raise ApiError(exchange)
        return exchange.response_body

    def register(self, *, password: str, name: str, company: str = "", by_invitation: bool = False) -> None:
        """Open an account: a company's owner when a company is named, a student otherwise.

        With `by_invitation` it is a company account that founds no company.
        """
        kind = "ACCOUNT_KIND_COMPANY" if company or by_invitation else "ACCOUNT_KIND_STUDENT"
        fields: Json = {"email": self.email, "password": password, "kind": kind, "name": name}
        if company:
            fields["companyName"] = company
        if by_invitation:
            fields["byInvitation"] = True
        self.post("/api/v1/auth/register", **fields)

    def verify(self) -> None:
        """Read the newest code from the mailbox, prove the address with it, and so sign in."""
        mail = self.await_mail(lambda mail: CODE_PATTERN.search(mail["text"]) is not None)
        code = CODE_PATTERN.search(mail["text"])
        assert code is not None
        self._sign_in(self.post("/api/v1/auth/verify-email", email=self.email, code=code.group(1)))

    def log_in(self, password: str) -> None:
        """Sign in."""
        self._sign_in(self.post("/api/v1/auth/login", email=self.email, password=password))

    def replace_forgotten_password(self, password: str) -> None:
        """Choose another password by the code from the mailbox, and sign in with it."""
        self.post("/api/v1/auth/request-password-reset", email=self.email)
        mail = self.await_mail(lambda mail: RESET_PATTERN.search(mail["subject"]) is not None)
        code = CODE_PATTERN.search(mail["text"])
        assert code is not None
        self.post("/api/v1/auth/reset-password", email=self.email, code=code.group(1), newPassword=password)
        self.log_in(password)

    def upload_resume(self, name: str, content: bytes) -> str:
        """Upload a PDF as a résumé, wait until it has been checked, and return the document's ID."""
        begun = self.post("/api/v1/documents", kind="DOCUMENT_KIND_RESUME", name=name)
        token = {"authorization": f"Bearer {self.access_token}"}
        self._http.put(begun["uploadUrl"], content=content, headers=token).raise_for_status()
        path = f"/api/v1/documents/{begun['document']['id']}"

        def ready() -> Json | None:
            found = self.get(path)
            return found if found["state"] == "DOCUMENT_STATE_READY" else None

        return str(wait_for_result(ready, f"{name} to be checked")["id"])

    def download(self, url: str) -> bytes:
        """Return the content behind a signed address, which wants no token."""
        return self._http.get(url).raise_for_status().content

    def refresh(self) -> None:
        """Exchange the refresh token: the new tokens have the account's present company and role."""
        self._sign_in(self.post("/api/v1/auth/refresh", refreshToken=self.refresh_token))

    def join_company(self) -> None:
        """Accept the newest invitation in the mailbox, and wait until the tokens name the company."""
        mail = self.await_mail(lambda mail: INVITATION_PATTERN.search(mail["text"]) is not None)
        link = INVITATION_PATTERN.search(mail["text"])
        assert link is not None
        invitation = {"invitationToken": unquote(link.group(1))}
        # Until its registration has been received, the profile is UNAVAILABLE.
        path = "/api/v1/invitations:accept"
        wait_for_result(lambda: self.post(path, **invitation), "the invitation to be accepted")

        def has_company() -> bool | None:
            self.refresh()
            return bool(self.user["companyId"]) or None

        wait_for_result(has_company, "tokens that name the company")

    def _sign_in(self, session: Json) -> None:
        data = session["data"]
        self.user = data["user"]
        self.access_token = data["tokens"]["accessToken"]
        self.refresh_token = data["tokens"]["refreshToken"]

    def mails(self) -> list[Json]:
        """Return the mails to this person, newest first, with their text."""
        query: dict[str, str | int] = {"to": self.email, "limit": 100}
        listed = self._http.get(f"{self.mailbox_url}/mails", params=query).raise_for_status().json()
        return [self._http.get(f"{self.mailbox_url}/mails/{mail['id']}").json() for mail in listed["mails"]]

    def await_mail(self, wanted: Callable[[Json], bool]) -> Json:
        """Return the newest mail that `wanted` accepts, as soon as it has arrived. Raises TimeoutError."""
        return wait_for_result(
            lambda: next((mail for mail in self.mails() if wanted(mail)), None), f"a mail to {self.email}"
        )

    def await_inbox(self, subject_id: str, count: int = 1) -> list[Json]:
        """Return the inbox entries about a subject, once there are `count` of them. Raises TimeoutError."""

        def entries() -> list[Json] | None:
            inbox = self.get("/api/v1/notifications", pageSize=50)["data"]
            about = [entry for entry in inbox if entry["subjectId"] == subject_id]
            return about if len(about) >= count else None

        return wait_for_result(entries, f"an inbox entry about {subject_id}")


INVITATION_PATTERN: Final = re.compile(r"/app/invitation\?\S*#(\S+)")
RESET_PATTERN: Final = re.compile("new password")
CODE_PATTERN: Final = re.compile(r"\b(\d{8})\b")


def wait_for_result(probe: Callable[[], T | None], what: str) -> T:
    """Return the first result of `probe`, which is repeated while a service is busy.

    Raises TimeoutError after a minute.
    """

    def probe_patiently() -> T | None:
        try:
            return probe()
        except ApiError as error:
            if error.reason not in UNAVAILABLE_REASONS:
                raise
            return None

    found = wait_until(
        probe_patiently,
        timeout_s=WAIT_TIMEOUT_S,
        interval_s=POLL_INTERVAL_S,
        is_done=lambda answer: answer is not None,
        interval_growth=POLL_INTERVAL_GROWTH,
    )
    if found is None:
        raise TimeoutError(f"waited {WAIT_TIMEOUT_S:.0f} s for {what}")
    return found
