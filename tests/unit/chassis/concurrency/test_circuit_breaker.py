import pytest

from chassis.concurrency.circuit_breaker import BreakerPolicy, CircuitBreaker
from chassis.errors import DomainError

POLICY = BreakerPolicy()


class BreakerClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class BreakerDriver:
    """A breaker and the clock that it reads."""

    def __init__(self, policy: BreakerPolicy = POLICY) -> None:
        self.clock = BreakerClock()
        self.breaker = CircuitBreaker("The thing", self.clock, label="service/thing", policy=policy)

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.admit()
            self.breaker.record_failure()

    def succeed(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.admit()
            self.breaker.record_success()

    def is_open(self) -> bool:
        try:
            self.breaker.admit()
        except DomainError as error:
            assert error.reason == "UNAVAILABLE"
            return True
        self.breaker.record_cancellation()
        return False


@pytest.fixture
def driven() -> BreakerDriver:
    return BreakerDriver()


def test_it_opens_after_five_failures_in_ten_seconds(driven: BreakerDriver) -> None:
    driven.fail(POLICY.failures_to_open - 1)
    assert not driven.is_open()
    driven.fail()
    assert driven.is_open()


def test_failures_that_lie_far_apart_do_not_open_it(driven: BreakerDriver) -> None:
    for _ in range(3 * POLICY.failures_to_open):
        driven.fail()
        driven.clock.now_s += POLICY.failure_window_s / 3
    assert not driven.is_open()


def test_while_open_it_says_when_to_come_back(driven: BreakerDriver) -> None:
    driven.fail(POLICY.failures_to_open)
    driven.clock.now_s += 1
    with pytest.raises(DomainError) as caught:
        driven.breaker.admit()
    assert caught.value.retry_after_s == POLICY.open_duration_s - 1


def test_after_a_pause_it_lets_one_call_at_a_time_try(driven: BreakerDriver) -> None:
    driven.fail(POLICY.failures_to_open)
    driven.clock.now_s += POLICY.open_duration_s
    driven.breaker.admit()
    assert driven.is_open()
    driven.breaker.record_success()
    assert not driven.is_open()


def test_what_is_known_to_be_back_may_be_tried_at_once(driven: BreakerDriver) -> None:
    driven.fail(POLICY.failures_to_open)
    driven.breaker.allow_trial()
    driven.succeed(POLICY.successes_to_close)
    assert not driven.is_open()


def test_three_successes_close_it(driven: BreakerDriver) -> None:
    driven.fail(POLICY.failures_to_open)
    driven.clock.now_s += POLICY.open_duration_s
    driven.succeed(POLICY.successes_to_close)
    driven.fail(POLICY.failures_to_open - 1)
    assert not driven.is_open()


def test_a_failed_try_opens_it_for_another_pause(driven: BreakerDriver) -> None:
    driven.fail(POLICY.failures_to_open)
    driven.clock.now_s += POLICY.open_duration_s
    driven.succeed(POLICY.successes_to_close - 1)
    driven.fail()
    driven.clock.now_s += POLICY.open_duration_s - 1
    assert driven.is_open()


def test_successes_between_failures_do_not_keep_it_closed(driven: BreakerDriver) -> None:
    for _ in range(POLICY.failures_to_open):
        driven.succeed()
        driven.fail()
    assert driven.is_open()


def test_where_failures_in_a_row_count_a_success_starts_them_again() -> None:
    driven = BreakerDriver(BreakerPolicy(is_reset_by_success=True))
    driven.fail(POLICY.failures_to_open - 1)
    driven.succeed()
    driven.fail(POLICY.failures_to_open - 1)
    assert not driven.is_open()
    driven.fail()
    assert driven.is_open()


def test_what_is_known_to_answer_is_closed_at_once(driven: BreakerDriver) -> None:
    driven.fail(POLICY.failures_to_open)
    driven.breaker.close()
    assert not driven.is_open()
    driven.fail(POLICY.failures_to_open - 1)
    assert not driven.is_open()
