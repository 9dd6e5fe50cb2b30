"""Outages are told once when they begin and once when they end."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.ratelimit.store import Outages, StoreDownError


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


def told(lines: list[Any]) -> list[tuple[str, str]]:
    return [(line["event"].removeprefix("limits are "), line["redis"]) for line in lines]


def test_each_node_is_told_of_once_however_often_it_fails(lines: list[Any]) -> None:
    outages = Outages(lambda: {"a", "b", "c"})
    for node in ("a", "a", "b", "c", "a"):
        if node == "c":
            outages.answered(node)
        else:
            outages.failed(StoreDownError("no answer", node=node))
    outages.answered("a")
    outages.answered("a")
    assert told(lines) == [("not enforced", "a"), ("not enforced", "b"), ("enforced again", "a")]


def test_any_answer_ends_the_outage_of_the_whole_cluster(lines: list[Any]) -> None:
    outages = Outages(lambda: {"a", "b"})
    outages.failed(StoreDownError("not reached", "unreached"))
    outages.answered("b")
    assert told(lines) == [("not enforced", ""), ("enforced again", "")]


def test_the_outage_of_a_node_ends_when_another_has_taken_over_its_keys(lines: list[Any]) -> None:
    holders = {"a", "b"}
    outages = Outages(lambda: holders)
    outages.failed(StoreDownError("no answer", node="a"))
    outages.answered("b")
    holders = {"heir", "b"}
    outages.answered("b")
    assert told(lines) == [("not enforced", "a"), ("enforced again", "a")]
