"""Seeding goes on on a busy machine, and ends where a retry would change nothing."""

import pytest

from chassis.errors import DomainError
from devstack.seed import seeder
from tests.virtual_time import in_virtual_time


class _Service:
    """Refuses some times, then answers."""

    def __init__(self, refusal: DomainError, times: int) -> None:
        self.calls = 0
        self._refusal = refusal
        self._times = times

    async def act(self) -> str:
        self.calls += 1
        if self.calls <= self._times:
            raise self._refusal
        return "seeded"


@pytest.mark.parametrize("reason", ["DEADLINE_EXCEEDED", "UNAVAILABLE", "OVERLOADED"])
def test_a_call_that_found_no_time_is_repeated(reason: str) -> None:
    @in_virtual_time
    async def scenario() -> None:
        service = _Service(DomainError(reason, "No time is left for the user service."), 2)

        assert await seeder._retry_while_unavailable(service.act) == "seeded"
        assert service.calls == 3

    scenario()


@in_virtual_time
async def test_a_refusal_that_stands_ends_the_seeding() -> None:
    service = _Service(DomainError("ALREADY_APPLIED", "You have applied."), 1)

    with pytest.raises(DomainError, match="You have applied"):
        await seeder._retry_while_unavailable(service.act)

    assert service.calls == 1
