"""Sowing goes on where a machine is busy, and ends where nothing would change."""

import pytest

from chassis.errors import DomainError
from ops.seed import sower
from tests.virtual_time import in_virtual_time


class _Room:
    """Refuses some times, then answers."""

    def __init__(self, refusal: DomainError, times: int) -> None:
        self.calls = 0
        self._refusal = refusal
        self._times = times

    async def act(self) -> str:
        self.calls += 1
        if self.calls <= self._times:
            raise self._refusal
        return "sown"


@pytest.mark.parametrize("reason", ["DEADLINE_EXCEEDED", "UNAVAILABLE", "OVERLOADED"])
def test_what_could_not_be_had_in_time_is_asked_for_again(reason: str) -> None:
    @in_virtual_time
    async def scenario() -> None:
        room = _Room(DomainError(reason, "No time is left for the user service."), 2)

        assert await sower._patiently(room.act) == "sown"
        assert room.calls == 3

    scenario()


@in_virtual_time
async def test_a_refusal_that_stands_ends_the_sowing_at_once() -> None:
    room = _Room(DomainError("ALREADY_APPLIED", "You have applied."), 1)

    with pytest.raises(DomainError, match="You have applied"):
        await sower._patiently(room.act)

    assert room.calls == 1
