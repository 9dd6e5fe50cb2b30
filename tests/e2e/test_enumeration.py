"""Nobody learns whether an address has an account: answers and their times are alike."""

import random
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Final

import httpx
import pytest

from devstack.journey.client import ApiUser, Json
from devstack.journey.main_journey import JOURNEY_PASSWORD
from tests.e2e.conftest import NewPerson
from tests.rank_sums import rank_sum_z, shift_between, tells_apart
from tests.stack import StackHandle

CALLS: Final = 200
"""Of each kind, for known addresses and for unknown ones."""
KNOWN: Final = 10
CHANGING_HEADERS: Final = frozenset(
    {
        *("date", "x-request-id", "content-length", "x-envoy-upstream-service-time"),
        *("x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit"),
    }
)
"""Headers of an answer that differ from one call to the next."""

MakeBody = Callable[[str], Json]
CALLS_WITH_ADDRESSES: Final[dict[str, tuple[str, MakeBody]]] = {
    "register": (
        "register",
        lambda email: {
            "email": email,
            "password": JOURNEY_PASSWORD,
            "kind": "ACCOUNT_KIND_STUDENT",
            "name": "Robin Doe",
        },
    ),
    "login": ("login", lambda email: {"email": email, "password": "not the right one"}),
    "reset": ("request-password-reset", lambda email: {"email": email}),
    "resend": ("resend-code", lambda email: {"email": email}),
    "change": ("request-email-change", lambda email: {"email": email, "password": JOURNEY_PASSWORD}),
}
every_call = pytest.mark.parametrize("call", CALLS_WITH_ADDRESSES)


def unknown_address() -> str:
    return f"nobody.{secrets.token_hex(6)}@example.com"


@pytest.fixture(scope="module")
def known_addresses(new_person: NewPerson) -> list[str]:
    return [new_person().email for _ in range(KNOWN)]


@pytest.fixture(scope="module")
def caller(new_person: NewPerson) -> ApiUser:
    """Return the person who asks for another address; the other calls need no token."""
    return new_person()


@pytest.fixture(scope="module")
def http(stack: StackHandle, caller: ApiUser) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {caller.access_token}"}
    with httpx.Client(
        base_url=stack.gateway_url, headers=headers, verify=stack.trust, trust_env=False, timeout=60
    ) as client:
        yield client


def send(http: httpx.Client, call: str, email: str) -> httpx.Response:
    path, body = CALLS_WITH_ADDRESSES[call]
    headers = {"idempotency-key": secrets.token_hex(16), "x-forwarded-for": "198.18.200.1"}
    return http.post(f"/api/v1/auth/{path}", json=body(email), headers=headers)


def shape_of(body: object) -> object:
    """Return the keys and kinds of a JSON value, and its texts with neither digits nor addresses."""
    if isinstance(body, dict):
        return {key: shape_of(value) for key, value in body.items() if key != "requestId"}
    if isinstance(body, list):
        return [shape_of(each) for each in body]
    return (
        body if isinstance(body, str) and "@" not in body and not any(map(str.isdigit, body)) else type(body)
    )


def looks_of(answer: httpx.Response) -> object:
    headers = {name: value for name, value in answer.headers.items() if name not in CHANGING_HEADERS}
    return answer.status_code, shape_of(answer.json()), headers


@every_call
def test_answers_are_alike(http: httpx.Client, known_addresses: list[str], call: str) -> None:
    send(http, call, unknown_address())
    unknown, known = send(http, call, unknown_address()), send(http, call, known_addresses[0])
    assert looks_of(known) == looks_of(unknown)
    assert unknown.status_code in {200, 401}


@pytest.mark.thorough
@every_call
def test_times_are_alike(http: httpx.Client, known_addresses: list[str], call: str) -> None:
    order = [True, False] * CALLS
    random.Random(7).shuffle(order)
    times: dict[bool, list[float]] = {True: [], False: []}
    for number, is_known in enumerate(order):
        email = known_addresses[number % KNOWN] if is_known else unknown_address()
        started = time.perf_counter()
        answer = send(http, call, email)
        times[is_known].append(time.perf_counter() - started)
        assert answer.status_code in {200, 401}, answer.text
    z, shift_ms = rank_sum_z(times[True], times[False]), shift_between(times[True], times[False]) * 1000
    assert not tells_apart(times[True], times[False]), (
        f"known addresses differ by {shift_ms:.1f} ms, z={z:.1f}"
    )
