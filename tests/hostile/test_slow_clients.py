"""Clients who never finish: each is sent away in bounded time, and others notice nothing of them."""

from typing import Final

import grpc
import pytest

from chassis.contracts import imported_contracts
from chassis.grpc.server import MAX_CALLS_PER_CONNECTION
from devstack.topology_parts import LOOPBACK
from ops.service_names import SERVICES
from tests.hostile.callers import STUDENT, CallerDirectory
from tests.hostile.raw_grpc import RawGrpcChannel, RawResponse, find_response_fault
from tests.hostile.slow_clients import (
    CLIENT_COUNTS,
    MISSING_BODY,
    SLOW_BODY,
    SLOW_HEADERS,
    SlowClients,
    open_unfinished_calls,
)
from tests.resilience.background_load import steady_load
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import BUSY_MACHINE_MARGIN_S

HEADERS_TIMEOUT_S: Final = 10.0
REQUEST_TIMEOUT_S: Final = 30.0
OBSERVATION_MARGIN_S: Final = 15.0
"""Clients look at their clocks once a second, on a busy machine more seldom."""
GOOD_CALLS: Final = 60
MAX_GOOD_LATENCY_S: Final = BUSY_MACHINE_MARGIN_S
UNFINISHED_CALLS: Final = 1_000
UNFINISHED_CALLS_PER_BATCH: Final = 50


def test_other_clients_are_served_at_the_same_time(
    stack: StackHandle, cast: CallerDirectory, siege: SlowClients
) -> None:
    request = {"method": "GET", "url": "/api/v1/users/me", "headers": cast[STUDENT].headers}
    with steady_load(stack, stack.topology.regions[0], lambda _: request, per_second=20) as load:
        load.await_more(GOOD_CALLS)
    assert not load.failures and load.slowest_s < MAX_GOOD_LATENCY_S, str(load)


@pytest.mark.parametrize(
    ("kind", "within_s", "said"),
    [
        (SLOW_HEADERS, HEADERS_TIMEOUT_S, (b"HTTP/1.1 408",)),
        (SLOW_BODY, REQUEST_TIMEOUT_S, (b"HTTP/1.1 408",)),
        (MISSING_BODY, REQUEST_TIMEOUT_S, (b"ResponseReceived", b"StreamReset")),
    ],
)
def test_who_never_finishes_a_request_is_sent_away(
    siege: SlowClients, kind: str, within_s: float, said: tuple[bytes, ...]
) -> None:
    endings = [one for one in siege.await_end() if one.kind == kind]
    assert len(endings) == CLIENT_COUNTS[kind]
    still_there = [
        one for one in endings if one.after_s is None or one.after_s > within_s + OBSERVATION_MARGIN_S
    ]
    assert not still_there, still_there[:3]
    assert all(one.said.startswith(said) for one in endings), {one.said[:200] for one in endings}


@pytest.mark.parametrize("service", SERVICES)
def test_calls_without_a_message_straight_at_a_service_hold_nobody_up(
    stack: StackHandle, cast: CallerDirectory, lines: dict[str, RawGrpcChannel], service: str
) -> None:
    port = int(stack.grpc_address(service).rpartition(":")[2])
    rpc = next(one for one in imported_contracts().rpcs if one.service.split(".")[1] == service)
    token, line = cast.best_for(rpc).token, lines[service]
    with open_unfinished_calls(LOOPBACK, port, rpc.path) as calls:
        for _ in range(UNFINISHED_CALLS // UNFINISHED_CALLS_PER_BATCH):
            calls.begin(UNFINISHED_CALLS_PER_BATCH)
            answer = wait_until_blocking(
                lambda: call_status(line, rpc.path, token),
                f"{service} to take a call",
                within_s=MAX_GOOD_LATENCY_S,
            )
            assert answer is not None and not find_response_fault(answer, rpc.path, b"")
        assert (
            calls.refused(within_s=2.0)
            >= UNFINISHED_CALLS - MAX_CALLS_PER_CONNECTION - UNFINISHED_CALLS_PER_BATCH
        )


def call_status(line: RawGrpcChannel, path: str, token: str) -> RawResponse | None:
    """Return the answer of a call; None when gRPC cancels it because too many wait."""
    answer = line.call(path, b"", token)
    return None if answer.code is grpc.StatusCode.CANCELLED else answer
