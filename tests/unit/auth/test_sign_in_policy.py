import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.domain.accounts import AccountPlan
from services.auth.domain.sign_in_policy import FailureWindow, SignInPolicy, SignInStanding

POLICY = SignInPolicy()
MINUTE = 60.0


@pytest.mark.parametrize(("plan", "failures"), [("FREE", 5), ("PREMIUM", 10), ("PRO", 20), ("ADMIN", 50)])
def test_a_device_has_the_failures_of_its_accounts_plan(plan: str, failures: int) -> None:
    assert POLICY.max_failures(AccountPlan(plan)) == failures


def test_a_client_has_twenty_peoples_failures_and_the_networks_around_it_more() -> None:
    assert POLICY.max_client_failures() == (100, 400, 1_600)


def test_unknown_clients_wait_from_the_fifth_failure_on_and_twice_as_long_each_time_up_to_five_minutes() -> (
    None
):
    delays = [POLICY.unknown_device_delay_s(failures) for failures in range(16)]
    assert delays == [0] * 5 + [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert POLICY.unknown_device_delay_s(10**9) == 300


def test_lifted_limits_lift_every_figure() -> None:
    lifted = SignInPolicy(factor=1_000)
    assert lifted.max_failures(AccountPlan.FREE) == 5_000
    assert lifted.max_client_failures()[0] == 100_000
    assert lifted.unknown_device_delay_s(4_999) == 0


def test_after_five_failures_a_client_waits_until_the_first_is_a_quarter_of_an_hour_old() -> None:
    assert FailureWindow(5, (14 * MINUTE, 3, 2, 1)).wait_s == 0
    assert FailureWindow(5, (14 * MINUTE, 4, 3, 2, 1)).wait_s == MINUTE
    assert FailureWindow(5, (14.5 * MINUTE, 14 * MINUTE, 4, 3, 2, 1)).wait_s == MINUTE


@given(st.integers(1, 60), st.lists(st.floats(0, 900), max_size=80))
def test_what_is_left_and_the_time_to_wait_agree(limit: int, ages: list[float]) -> None:
    failures = FailureWindow(limit, tuple(sorted(ages, reverse=True)))
    assert 0 <= failures.wait_s <= 900
    assert 0 <= failures.remaining <= limit
    assert failures.wait_s == 0 or failures.remaining == 0


def test_answers_mention_the_client_limit_only_where_it_applies() -> None:
    own, spent = FailureWindow(5, (30.0,)), FailureWindow(1, (600.0,))
    assert SignInStanding(own, clients=[FailureWindow(100, (600.0, 30.0))]).binding_window == own
    standing = SignInStanding(own, clients=[spent])
    assert (standing.binding_window, standing.wait_s) == (spent, 300.0)
    assert SignInStanding(own, unknown_device_wait_s=4.0).wait_s == 4.0
