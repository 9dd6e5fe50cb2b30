"""Clients who never finish: each is sent away in bounded time, and others notice nothing of them."""

from typing import Final

import pytest

from chassis.contracts import imported
from ops.stack.topology import LOOPBACK, SERVICES
from tests.hostile.cast import STUDENT, Cast
from tests.hostile.siege import HOW_MANY, NO_BODY, SLOW_BODY, SLOW_HEADERS, Siege, begun_calls
from tests.hostile.wire import Line, must_be_decent
from tests.resilience.load import steady_load
from tests.stack import Stack

HEADERS_WITHIN_S: Final = 10.0
REQUEST_WITHIN_S: Final = 30.0
SLACK_S: Final = 8.0
"""Clients look at their clocks once a second, on a busy machine more seldom."""
GOOD_CALLS: Final = 60
SLOWEST_GOOD_S: Final = 4.0
BEGUN_CALLS: Final = 1_000


def test_others_are_served_meanwhile(stack: Stack, cast: Cast, siege: Siege) -> None:
    request = {"method": "GET", "url": "/api/v1/users/me", "headers": cast[STUDENT].headers}
    with steady_load(stack, stack.topology.regions[0], lambda _: request, per_second=20) as load:
        load.await_more(GOOD_CALLS)
    assert not load.failures and load.slowest_s < SLOWEST_GOOD_S, str(load)


@pytest.mark.parametrize(
    ("kind", "within_s", "said"),
    [
        (SLOW_HEADERS, HEADERS_WITHIN_S, (b"HTTP/1.1 408",)),
        (SLOW_BODY, REQUEST_WITHIN_S, (b"HTTP/1.1 408",)),
        (NO_BODY, REQUEST_WITHIN_S, (b"ResponseReceived", b"StreamReset")),
    ],
)
def test_who_never_finishes_a_request_is_sent_away(
    siege: Siege, kind: str, within_s: float, said: tuple[bytes, ...]
) -> None:
    endings = [one for one in siege.await_end() if one.kind == kind]
    assert len(endings) == HOW_MANY[kind]
    still_there = [one for one in endings if one.after_s is None or one.after_s > within_s + SLACK_S]
    assert not still_there, still_there[:3]
    assert all(one.said.startswith(said) for one in endings), {one.said[:200] for one in endings}


@pytest.mark.parametrize("service", SERVICES)
def test_calls_without_a_message_straight_at_a_service_hold_nobody_up(
    stack: Stack, cast: Cast, lines: dict[str, Line], service: str
) -> None:
    port = int(stack.grpc_address(service).rpartition(":")[2])
    rpc = next(one for one in imported().rpcs if one.service.split(".")[1] == service)
    with begun_calls(LOOPBACK, port, rpc.path, BEGUN_CALLS):
        answers = [must_be_decent(lines[service], rpc.path, b"", cast.best_for(rpc).token) for _ in range(20)]
    assert max(answer.took_s for answer in answers) < SLOWEST_GOOD_S
