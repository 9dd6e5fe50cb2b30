"""Clients who never finish: each is sent away in bounded time, and others notice nothing of them."""

from typing import Final

import grpc
import pytest

from chassis.contracts import imported
from chassis.grpc.server import MOST_CALLS_OF_A_CONNECTION
from ops.stack.topology import LOOPBACK, SERVICES
from tests.hostile.cast import STUDENT, Cast
from tests.hostile.siege import HOW_MANY, NO_BODY, SLOW_BODY, SLOW_HEADERS, Siege, begun_calls
from tests.hostile.wire import Answer, Line, fault_of
from tests.resilience.load import steady_load
from tests.stack import Stack, await_true
from tests.waiting import BUSY_S

HEADERS_WITHIN_S: Final = 10.0
REQUEST_WITHIN_S: Final = 30.0
SLACK_S: Final = 15.0
"""Clients look at their clocks once a second, on a busy machine more seldom."""
GOOD_CALLS: Final = 60
SLOWEST_GOOD_S: Final = BUSY_S
BEGUN_CALLS: Final = 1_000
AT_ONCE: Final = 50


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
    token, line = cast.best_for(rpc).token, lines[service]
    with begun_calls(LOOPBACK, port, rpc.path) as calls:
        for _ in range(BEGUN_CALLS // AT_ONCE):
            calls.begin(AT_ONCE)
            answer = await_true(
                lambda: taken(line, rpc.path, token), f"{service} to take a call", within_s=SLOWEST_GOOD_S
            )
            assert answer is not None and not fault_of(answer, rpc.path, b"")
        assert calls.refused(within_s=2.0) >= BEGUN_CALLS - MOST_CALLS_OF_A_CONNECTION - AT_ONCE


def taken(line: Line, path: str, token: str) -> Answer | None:
    """What a call is answered; None when gRPC cancels it, for want of room for one more that waits."""
    answer = line.call(path, b"", token)
    return None if answer.code is grpc.StatusCode.CANCELLED else answer
