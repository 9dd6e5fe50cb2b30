"""Which calls are tried again, how often, and after which pauses."""

import time
from collections.abc import Callable

import pytest

from chassis.concurrency.retry import RetryPolicy, retry_call, retry_call_async
from tests.virtual_time import in_virtual_time

POLICY = RetryPolicy(initial_s=1.0, max_s=4.0, max_attempts=5, jitter=0)


class FlakyCall:
    """Fails some times, then succeeds; notes when it was called."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self._failures = failures
        self._error = error or ConnectionError("not yet")
        self.called_at: list[float] = []

    @property
    def pauses_s(self) -> list[float]:
        """The times between the calls."""
        return [after - before for before, after in zip(self.called_at, self.called_at[1:], strict=False)]

    def call(self) -> str:
        self.called_at.append(time.monotonic())
        if len(self.called_at) <= self._failures:
            raise self._error
        return "done"

    async def call_async(self) -> str:
        return self.call()


@in_virtual_time
async def test_the_first_success_is_returned_after_pauses_that_double_up_to_a_bound() -> None:
    flaky = FlakyCall(4)
    assert await retry_call_async(flaky.call_async, POLICY, on=ConnectionError) == "done"
    assert flaky.pauses_s == pytest.approx([1.0, 2.0, 4.0, 4.0])


@in_virtual_time
async def test_the_last_error_is_raised_when_all_attempts_have_failed() -> None:
    flaky = FlakyCall(99)
    with pytest.raises(ConnectionError):
        await retry_call_async(flaky.call_async, POLICY, on=ConnectionError)
    assert len(flaky.called_at) == POLICY.max_attempts


@in_virtual_time
async def test_an_error_of_another_type_is_not_repeated() -> None:
    flaky = FlakyCall(1, ValueError("never"))
    with pytest.raises(ValueError, match="never"):
        await retry_call_async(flaky.call_async, POLICY, on=(ConnectionError, TimeoutError))
    assert len(flaky.called_at) == 1


@in_virtual_time
async def test_an_error_that_the_caller_rules_out_is_not_repeated() -> None:
    flaky = FlakyCall(99)
    with pytest.raises(ConnectionError):
        await retry_call_async(
            flaky.call_async, POLICY, on=ConnectionError, may_retry=lambda _error, failures: failures < 3
        )
    assert len(flaky.called_at) == 3


@in_virtual_time
async def test_the_caller_is_asked_only_while_an_attempt_is_left_so_that_a_budget_is_not_wasted() -> None:
    asked: list[int] = []

    def withdraw(_error: Exception, failures: int) -> bool:
        asked.append(failures)
        return True

    with pytest.raises(ConnectionError):
        await retry_call_async(FlakyCall(99).call_async, POLICY, on=ConnectionError, may_retry=withdraw)
    assert asked == [1, 2, 3, 4]


@in_virtual_time
async def test_no_pause_reaches_beyond_the_deadline() -> None:
    flaky = FlakyCall(99)
    with pytest.raises(ConnectionError):
        await retry_call_async(flaky.call_async, POLICY, on=ConnectionError, deadline=time.monotonic() + 2.5)
    assert flaky.pauses_s == pytest.approx([1.0])


@in_virtual_time
async def test_an_error_may_say_how_long_to_wait() -> None:
    flaky = FlakyCall(1)
    await retry_call_async(flaky.call_async, POLICY, on=ConnectionError, asked_pause_s=lambda _error: 7.0)
    assert flaky.pauses_s == pytest.approx([7.0])


@in_virtual_time
async def test_pauses_are_spread_by_the_share_that_is_left_to_chance() -> None:
    policy = RetryPolicy(initial_s=8.0, max_s=8.0, jitter=0.25)
    pauses = [policy.pause_s(1) for _ in range(50)]
    assert all(6.0 <= pause_s <= 8.0 for pause_s in pauses)
    assert len(set(pauses)) > 1


@pytest.mark.parametrize("outcome", ["succeeds", "fails"])
def test_a_thread_tries_in_the_same_way(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    flaky = FlakyCall(2 if outcome == "succeeds" else 99)
    call: Callable[[], str] = flaky.call
    if outcome == "succeeds":
        assert retry_call(call, POLICY, on=ConnectionError) == "done"
        assert pauses == [1.0, 2.0]
    else:
        with pytest.raises(ConnectionError):
            retry_call(call, POLICY, on=ConnectionError)
        assert pauses == [1.0, 2.0, 4.0, 4.0]
