"""Leases: how much is granted to all together who count by themselves."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.ratelimit.counter_store import LeaseRequest, lease_hits
from gateway.ratelimit.sliding_window import WindowUsage

W = 1_000_000
START = 1_700_000_000 * W


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 2 * W), st.integers(0, 60), st.integers(0, 100)), max_size=60),
)
def test_leases_never_pass_the_limit_whatever_is_given_back(
    limit: int, steps: list[tuple[int, int, int]]
) -> None:
    usage, now, granted, run_us = WindowUsage(), START, 0, 0
    for gap, wanted, percent in steps:
        now += gap
        returned = granted * percent // 100
        lease = lease_hits(usage, LeaseRequest("key", limit, W, 0, returned, run_us, wanted), now)
        usage, granted, run_us = lease.usage, lease.granted, lease.usage.current.first_us
        assert granted <= wanted
        assert usage.estimate(now, W) <= limit


@given(st.integers(1, 1_000), st.integers(1, 1_000))
def test_one_who_asks_leaves_half_of_what_there_is_to_others(limit: int, wanted: int) -> None:
    lease = lease_hits(WindowUsage(), LeaseRequest("key", limit, W, wanted=wanted), START)
    assert lease.granted == min(wanted, (limit + 1) // 2)


@given(st.integers(0, 20), st.integers(1, 20), st.integers(1, 20))
def test_what_was_admitted_before_counts_first_and_always(owed: int, limit: int, wanted: int) -> None:
    lease = lease_hits(WindowUsage(), LeaseRequest("key", limit, W, owed=owed, wanted=wanted), START)
    assert lease.usage.current.hits == owed + lease.granted
    assert lease.granted == 0 or lease.usage.current.hits <= limit
