"""Tokens that are not what they say: refused at the edge, and again by each service."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
import pytest

from chassis.clock import SystemClock
from chassis.contracts import imported
from chassis.settings import key_bytes
from ops.journey.client import ApiError, Person
from ops.journey.story import PASSWORD
from ops.seed.rooms import open_auth
from ops.stack.topology import SERVICES
from services.auth.keyring import KeyRing
from services.auth.store import KeyStore
from services.auth.vault import Vault
from tests.hostile.cast import SERVICE, STUDENT, Cast, reason_in
from tests.hostile.forgery import FORGERIES, Forger
from tests.hostile.wire import Line
from tests.stack import Stack, await_true
from tests.waiting import GENEROUS_S

PATH: Final = "/api/v1/users/me"
REVOKED_WITHIN_S: Final = GENEROUS_S


@pytest.fixture(scope="module")
def forger(stack: Stack, cast: Cast) -> Forger:
    return Forger.at(stack, cast[STUDENT])


def reason_at_the_edge(cast: Cast, token: str, path: str = PATH) -> str:
    answer = cast.ask(cast["nobody"], "GET", path, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code in {401, 403, 431}, (answer.status_code, answer.text)
    return reason_in(answer.json())


def reasons_at_services(lines: dict[str, Line], token: str) -> set[str]:
    """What each service says about a token on its own port, on one of its calls for the signed in."""
    asked = {rpc.service: rpc for rpc in imported().rpcs if not rpc.is_public and rpc.callers != {"SERVICE"}}
    assert len(asked) == len(SERVICES)
    return {lines[rpc.service.split(".")[1]].call(rpc.path, b"", token).reason for rpc in asked.values()}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_token_is_refused_everywhere(
    cast: Cast, lines: dict[str, Line], forger: Forger, what: str
) -> None:
    token = FORGERIES[what](forger)
    assert reason_at_the_edge(cast, token) == "TOKEN_INVALID"
    assert reason_at_the_edge(cast, token, "/api/v1/internships") == "TOKEN_INVALID", "on a public call"
    assert reasons_at_services(lines, token) == {"TOKEN_INVALID"}


def signed_by_auth(stack: Stack, claims: dict[str, Any]) -> str:
    """A token with a true signature of the stack's own key, whatever it says."""

    async def sign() -> str:
        async with AsyncExitStack() as closing:
            auth = await open_auth(stack.topology, stack.credentials, closing, clock=SystemClock())
            vault = Vault(key_bytes(auth.settings.data_key))
            ring = KeyRing(KeyStore(auth.shards), vault, auth.clock, auth.settings.key_rotation)
            signer = await ring.signer()
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
    stack: Stack, cast: Cast, lines: dict[str, Line], forger: Forger, what: str, changes: Any, reason: str
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
    stack: Stack, cast: Cast, lines: dict[str, Line], forger: Forger, changes: dict[str, Any]
) -> None:
    claims = {name: value for name, value in (forger.claims | changes).items() if value is not None}
    token = signed_by_auth(stack, claims)
    assert reasons_at_services(lines, token) == {"TOKEN_INVALID"}
    assert reason_at_the_edge(cast, token) == "TOKEN_INVALID"


def test_a_services_own_token_opens_nothing_at_the_edge(cast: Cast) -> None:
    assert reason_at_the_edge(cast, cast[SERVICE].token) == "TOKEN_INVALID"


def test_a_services_own_token_does_nothing_in_a_persons_name(cast: Cast, lines: dict[str, Line]) -> None:
    for rpc in imported().rpcs:
        if rpc.is_public or "SERVICE" in rpc.callers:
            continue
        answer = lines[rpc.service.split(".")[1]].call(rpc.path, b"", cast[SERVICE].token)
        assert answer.reason == "PERMISSION_DENIED", rpc.name


def signed_in(stack: Stack) -> Person:
    """Somebody who signed in with a password."""
    email = f"token.{datetime.now(UTC):%H%M%S%f}@example.com"
    person = Person(stack.gateway_url, stack.mailbox_url, email, trust=stack.trust)
    person.register(password=PASSWORD, name="Toni Token")
    person.verify()
    return person


@pytest.fixture(scope="module", autouse=True)
def ended(stack: Stack) -> str:
    """The token of a session that ended before the other tests began."""
    person = signed_in(stack)
    person.get("/api/v1/notifications")
    person.post("/api/v1/auth/logout")
    return person.access_token


def test_a_refresh_token_opens_nothing_and_an_access_token_refreshes_nothing(
    stack: Stack, cast: Cast, lines: dict[str, Line]
) -> None:
    person = signed_in(stack)
    assert reason_at_the_edge(cast, person.refresh_token) == "TOKEN_INVALID"
    assert reasons_at_services(lines, person.refresh_token) == {"TOKEN_INVALID"}
    with pytest.raises(ApiError) as refused:
        person.post("/api/v1/auth/refresh", refreshToken=person.access_token[:200])
    assert refused.value.reason == "INVALID_REFRESH_TOKEN"


def test_a_token_of_yesterday_that_was_good_once_is_good_no_more(stack: Stack, cast: Cast) -> None:
    expired = cast.in_another_session(cast[STUDENT], timedelta(hours=-1))
    assert reason_at_the_edge(cast, expired.token) == "TOKEN_EXPIRED"


def test_the_token_of_a_session_that_has_ended_is_worthless_everywhere(
    cast: Cast, lines: dict[str, Line], ended: str
) -> None:
    await_true(
        lambda: reasons_at_services(lines, ended) == {"SESSION_REVOKED"},
        "all services to know that the session has ended",
        within_s=REVOKED_WITHIN_S,
    )
    assert reason_at_the_edge(cast, ended) == "SESSION_REVOKED"
