"""How long an answer takes discloses nothing about whether an address has an account."""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import pytest

from chassis.errors import DomainError
from services.auth.domain.accounts import AccountKind
from services.auth.domain.visitor import Visitor
from services.auth.service.answer_floor import MIN_ANSWER_WITH_HASH_S, taking_at_least
from tests.integration.auth.conftest import PASSWORD, AuthHarness

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600)]

CALLS: Final = 200
MAX_ADVANTAGE: Final = 0.12
"""How much better than by tossing a coin one can tell the calls apart: four standard deviations."""
KNOWN: Final = "ada@campus.test"
LAPTOP: Final = Visitor(("192.0.2.1",), b"Firefox")

Ask = Callable[[AuthHarness, str], Awaitable[object]]


async def _register(auth: AuthHarness, email: str) -> None:
    async with taking_at_least(MIN_ANSWER_WITH_HASH_S):
        await auth.registration.register(
            email=email, password=PASSWORD, name="Ada", kind=AccountKind.STUDENT, visitor=LAPTOP
        )


async def _log_in(auth: AuthHarness, email: str) -> None:
    await auth.sign_in.login(email, "not it at all", LAPTOP)


async def _request_reset(auth: AuthHarness, email: str) -> None:
    async with taking_at_least():
        await auth.passwords.request_reset(email, LAPTOP)


async def _reset(auth: AuthHarness, email: str) -> None:
    await auth.passwords.reset(email, "12345678", "violet anchor prism 3", LAPTOP)


async def _resend(auth: AuthHarness, email: str) -> None:
    async with taking_at_least():
        await auth.registration.resend_code(email, LAPTOP)


async def _request_email_change(auth: AuthHarness, email: str) -> None:
    caller = await auth.accounts.find_user_id("caller@campus.test")
    assert caller
    await auth.cases.change_address.request_change(caller, email, PASSWORD, LAPTOP)


@pytest.mark.parametrize("ask", [_register, _log_in, _request_reset, _reset, _resend, _request_email_change])
async def test_known_and_unknown_addresses_take_equally_long(auth: AuthHarness, ask: Ask) -> None:
    await auth.verified(KNOWN)
    await auth.verified("caller@campus.test")
    known, unknown = list[float](), list[float]()
    for number in range(CALLS + 20):
        for taken, email in ((known, KNOWN), (unknown, f"nobody{number}@campus.test")):
            taken.append(await _seconds(ask, auth, email))
    advantage = _advantage(known[20:], unknown[20:])
    assert advantage < MAX_ADVANTAGE, f"they differ with an advantage of {advantage:.2f}"


async def _seconds(ask: Ask, auth: AuthHarness, email: str) -> float:
    began = time.perf_counter()
    try:
        await ask(auth, email)
    except DomainError as refused:
        assert refused.reason in {"INVALID_CREDENTIALS", "INVALID_RESET_CODE"}, refused
    return time.perf_counter() - began


def _advantage(some: Sequence[float], others: Sequence[float]) -> float:
    """Return how far the chance that one of `some` took longer than one of `others` is from one half."""
    ordered = sorted(others)
    wins = sum((bisect_left(ordered, each) + bisect_right(ordered, each)) / 2 for each in some)
    return abs(wins / (len(some) * len(others)) - 0.5)


def test_the_measure_tells_a_small_difference() -> None:
    assert _advantage([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]) == 0
    assert _advantage([2.0, 3.0], [1.0, 1.5]) == 0.5
