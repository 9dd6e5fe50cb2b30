"""Trace context where nothing is recorded: it is only carried on."""

import asyncio
import re

import pytest

from chassis.observability.tracing import (
    client_span,
    continue_trace,
    current_trace_id,
    current_traceparent,
    server_span,
)

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_outside_a_trace_there_is_nothing_to_send_on() -> None:
    assert current_traceparent() == ""
    assert current_trace_id() == ""


def test_an_incoming_trace_is_carried_on_unchanged_and_ends_with_its_block() -> None:
    with server_span("call", TRACEPARENT):
        assert current_traceparent() == TRACEPARENT
        assert current_trace_id() == "0af7651916cd43dd8448eb211c80319c"
    assert current_traceparent() == ""


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "garbage",
        TRACEPARENT.upper(),
        TRACEPARENT + "\n",
        TRACEPARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        TRACEPARENT.replace("b7ad6b7169203331", "0" * 16),
        "ff" + TRACEPARENT[2:],
    ],
)
def test_without_a_valid_traceparent_a_new_trace_begins(broken: str) -> None:
    with continue_trace(broken, "handle"):
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", current_traceparent())
        assert current_traceparent() != broken


def test_a_span_inside_a_span_stays_in_the_same_trace() -> None:
    with server_span("call", TRACEPARENT), client_span("peer") as span:
        span.set_attribute("peer", "auth")
        span.set_error("no answer")
        assert current_traceparent() == TRACEPARENT


async def test_two_tasks_do_not_see_each_others_trace() -> None:
    async def traced() -> str:
        with server_span("call", ""):
            await asyncio.sleep(0)
            return current_trace_id()

    first, second = await asyncio.gather(traced(), traced())
    assert first != second
