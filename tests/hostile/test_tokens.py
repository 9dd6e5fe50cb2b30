"""Tokens that are not what they say: refused at the edge, and again by each service."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
import pytest

from chassis.clock import SystemClock
from chassis.contracts import imported_contracts
from chassis.security.data_keys import DataKeys
from devstack.journey.client import ApiError, ApiUser
from devstack.journey.main_journey import JOURNEY_PASSWORD
from devstack.seed.in_process_services import open_auth_resources
from ops.service_names import SERVICES
from services.auth.key_store import KeyStore
from services.auth.keyring import KeyRing
from services.auth.repository import SigningKeyRepository
from tests.hostile.callers import SERVICE, STUDENT, CallerDirectory, error_reason
from tests.hostile.forged_tokens import FORGED_TOKENS, TokenForger
from tests.hostile.raw_grpc import RawGrpcChannel
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import WAIT_TIMEOUT_S

PATH: Final = "/api/v1/users/me"
REVOCATION_TIMEOUT_S: Final = WAIT_TIMEOUT_S


@pytest.fixture(scope="module")
def forger(stack: StackHandle, cast: CallerDirectory) -> TokenForger:
    return TokenForger.at(stack, cast[STUDENT])


def reason_at_the_edge(cast: CallerDirectory, token: str, path: str = PATH) -> str:
    answer = cast.ask(cast["nobody"], "GET", path, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code in {401, 403, 431}, (answer.status_code, answer.text)
    return error_reason(answer.json())


def reasons_at_services(lines: dict[str, RawGrpcChannel], token: str) -> set[str]:
    """Return what each service says about a token on its own port, on one of its calls for the signed in."""
    asked = {
        rpc.service.split(".")[1]: rpc
        for rpc in imported_contracts().rpcs
        if not rpc.is_public and rpc.callers != {"SERVICE"}
    }
    assert len(asked) == len(SERVICES)
    return {lines[rpc.service.split(".")[1]].call(rpc.path, b"", token).reason for rpc in asked.values()}


@pytest.mark.parametrize("what", FORGED_TOKENS)
def test_a_forged_token_is_refused_everywhere(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel], forger: TokenForger, what: str
) -> None:
    token = FORGED_TOKENS[what](forger)
    assert reason_at_the_edge(cast, token) == "TOKEN_INVALID"
    assert reason_at_the_edge(cast, token, "/api/v1/internships") == "TOKEN_INVALID", "on a public call"
    assert reasons_at_services(lines, token) == {"TOKEN_INVALID"}


def signed_by_auth(stack: StackHandle, claims: dict[str, Any]) -> str:
    """Return a token with a true signature of the stack's own key, whatever it says."""

    async def sign() -> str:
        async with AsyncExitStack() as closing:
            auth = await open_auth_resources(stack.cluster, closing, clock=SystemClock())
            key_store = KeyStore(DataKeys.from_settings(auth.settings))
            ring = KeyRing(
                SigningKeyRepository(auth.shards), key_store, auth.clock, auth.settings.key_rotation
            )
            signer = await ring.current_signer()
            return jwt.encode(claims, signer.private_key, algorithm="ES256", headers={"kid": signer.kid})

    return asyncio.run(sign())


@pytest.mark.parametrize(
    ("what", "changes", "reason"),
    [
        ("has expired", {"exp": -60}, "TOKEN_EXPIRED"),
        ("is not valid yet", {"nbf": 3_600}, "TOKEN_INVALID"),
        ("was made in the future", {"iat": 3_600}, "TOKEN_INVALID"),
    ],
)
def test_a_true_token_counts_only_in_its_time(
    stack: StackHandle,
    cast: CallerDirectory,
    lines: dict[str, RawGrpcChannel],
    forger: TokenForger,
    what: str,
    changes: Any,
    reason: str,
) -> None:
    now = int(time.time())
    token = signed_by_auth(stack, forger.claims | {name: now + s for name, s in changes.items()})
    assert reasons_at_services(lines, token) == {reason}, what
    assert reason_at_the_edge(cast, token) == reason, what


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"aud": "another-api"},
        {"iss": None},
        {"aud": None},
        {"exp": None},
        {"sub": None},
        {"kind": None},
        {"kind": "SERVICE", "sub": "application"},
    ],
    ids=str,
)
def test_a_true_signature_does_not_make_up_for_wrong_claims(
    stack: StackHandle,
    cast: CallerDirectory,
    lines: dict[str, RawGrpcChannel],
    forger: TokenForger,
    changes: dict[str, Any],
) -> None:
    claims = {name: value for name, value in (forger.claims | changes).items() if value is not None}
    token = signed_by_auth(stack, claims)
    assert reasons_at_services(lines, token) == {"TOKEN_INVALID"}
    assert reason_at_the_edge(cast, token) == "TOKEN_INVALID"


def test_a_services_own_token_opens_nothing_at_the_edge(cast: CallerDirectory) -> None:
    assert reason_at_the_edge(cast, cast[SERVICE].token) == "TOKEN_INVALID"


def test_a_services_own_token_does_nothing_in_a_persons_name(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel]
) -> None:
    for rpc in imported_contracts().rpcs:
        if rpc.is_public or "SERVICE" in rpc.callers:
            continue
        answer = lines[rpc.service.split(".")[1]].call(rpc.path, b"", cast[SERVICE].token)
        assert answer.reason == "PERMISSION_DENIED", rpc.name


def signed_in(stack: StackHandle) -> ApiUser:
    """Return a user who signed in with a password."""
    email = f"token.{datetime.now(UTC):%H%M%S%f}@example.com"
    person = ApiUser(stack.gateway_url, stack.mailbox_url, email, trust=stack.trust)
    person.register(password=JOURNEY_PASSWORD, name="Toni Token")
    person.verify()
    return person


@pytest.fixture(scope="module", autouse=True)
def ended(stack: StackHandle) -> str:
    """Return the token of a session that ended before the other tests began."""
    person = signed_in(stack)
    person.get("/api/v1/notifications")
    person.post("/api/v1/auth/logout")
    return person.access_token


def test_a_refresh_token_opens_nothing_and_an_access_token_refreshes_nothing(
    stack: StackHandle, cast: CallerDirectory, lines: dict[str, RawGrpcChannel]
) -> None:
    person = signed_in(stack)
    assert reason_at_the_edge(cast, person.refresh_token) == "TOKEN_INVALID"
    assert reasons_at_services(lines, person.refresh_token) == {"TOKEN_INVALID"}
    with pytest.raises(ApiError) as refused:
        person.post("/api/v1/auth/refresh", refreshToken=person.access_token[:200])
    assert refused.value.reason == "INVALID_REFRESH_TOKEN"


def test_a_token_of_yesterday_that_was_good_once_is_good_no_more(
    stack: StackHandle, cast: CallerDirectory
) -> None:
    expired = cast.in_another_session(cast[STUDENT], timedelta(hours=-1))
    assert reason_at_the_edge(cast, expired.token) == "TOKEN_EXPIRED"


def test_the_token_of_a_session_that_has_ended_is_worthless_everywhere(
    cast: CallerDirectory, lines: dict[str, RawGrpcChannel], ended: str
) -> None:
    wait_until_blocking(
        lambda: reasons_at_services(lines, ended) == {"SESSION_REVOKED"},
        "all services to know that the session has ended",
        within_s=REVOCATION_TIMEOUT_S,
    )
    assert reason_at_the_edge(cast, ended) == "SESSION_REVOKED"
