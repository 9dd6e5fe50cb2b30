"""The restart counter, fed with the supervisor's own events."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from supervisor import events
from supervisor.states import ProcessStates

from devstack.supervisor_restarts import RestartCounter


@pytest.fixture
def counter() -> Iterator[RestartCounter]:
    yield RestartCounter()
    events.clear()


def _starts(after: int) -> None:
    process = SimpleNamespace(config=SimpleNamespace(name="p"), group=None, backoff=0, pid=1)
    events.notify(events.ProcessStateStartingEvent(process, after))


def test_a_start_after_a_death_is_a_restart(counter: RestartCounter) -> None:
    _starts(after=ProcessStates.EXITED)
    _starts(after=ProcessStates.BACKOFF)

    assert counter.restarts()["p"]["count"] == 2


def test_a_start_that_was_asked_for_is_none(counter: RestartCounter) -> None:
    _starts(after=ProcessStates.STOPPED)
    _starts(after=ProcessStates.FATAL)

    assert counter.restarts() == {}
