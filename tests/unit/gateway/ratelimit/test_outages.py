"""Outages are logged once when they begin and once when they end."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.redis.nodes import StoreUnavailableError
from gateway.ratelimit.redis_counter_store import OutageLog


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


def log_lines(lines: list[Any]) -> list[tuple[str, str]]:
    return [(line["event"].removeprefix("limits are "), line["redis"]) for line in lines]


def test_each_failing_node_is_logged_once(lines: list[Any]) -> None:
    outages = OutageLog(lambda: {"a", "b", "c"})
    for node in ("a", "a", "b", "c", "a"):
        if node == "c":
            outages.record_success(node)
        else:
            outages.record_failure(StoreUnavailableError("no answer", node=node))
    outages.record_success("a")
    outages.record_success("a")
    assert log_lines(lines) == [("not enforced", "a"), ("not enforced", "b"), ("enforced again", "a")]


def test_any_answer_ends_the_outage_of_the_whole_cluster(lines: list[Any]) -> None:
    outages = OutageLog(lambda: {"a", "b"})
    outages.record_failure(StoreUnavailableError("not reached", "unreached"))
    outages.record_success("b")
    assert log_lines(lines) == [("not enforced", ""), ("enforced again", "")]


def test_the_outage_of_a_node_ends_when_another_has_taken_over_its_keys(lines: list[Any]) -> None:
    primaries = {"a", "b"}
    outages = OutageLog(lambda: primaries)
    outages.record_failure(StoreUnavailableError("no answer", node="a"))
    outages.record_success("b")
    primaries = {"heir", "b"}
    outages.record_success("b")
    assert log_lines(lines) == [("not enforced", "a"), ("enforced again", "a")]
