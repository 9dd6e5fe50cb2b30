"""The sliding window: what it admits, whatever the order and times of the hits."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.ratelimit.sliding_window import HitRun, WindowUsage

W = 1_000_000
START = 1_700_000_000 * W

gaps = st.lists(
    st.one_of(
        st.integers(0, W // 10), st.integers(0, 3 * W), st.sampled_from([0, 1, W - 1, W, W + 1, 2 * W])
    ),
    min_size=1,
    max_size=60,
)
limits = st.integers(1, 12)


class WindowSimulation:
    """A counter and the log of all that it admitted."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.usage = WindowUsage()
        self.log: list[tuple[int, int]] = []

    def hit(self, now_us: int, hits: int = 1) -> bool:
        if not self.usage.admits(hits, self.limit, now_us, W):
            return False
        self.usage = self.usage.with_hits(hits, now_us, W)
        self.log.append((now_us, hits))
        return True

    def admitted(self, since_us: int, until_us: int) -> int:
        """Return the hits from one moment to another, both included."""
        return sum(hits for at, hits in self.log if since_us <= at <= until_us)


def driven(limit: int, steps: list[int], hits: list[int] | None = None) -> WindowSimulation:
    counter, now = WindowSimulation(limit), START
    for number, gap in enumerate(steps):
        now += gap
        counter.hit(now, hits[number % len(hits)] if hits else 1)
    return counter


@given(limits, gaps, st.lists(st.integers(1, 5), min_size=1, max_size=7))
def test_what_is_admitted_never_passes_the_limit_by_the_sliding_estimate(
    limit: int, steps: list[int], sizes: list[int]
) -> None:
    counter, now = WindowSimulation(limit), START
    for number, gap in enumerate(steps):
        now += gap
        counter.hit(now, sizes[number % len(sizes)])
        assert counter.usage.estimate(now, W) <= limit


@given(limits, gaps, st.lists(st.integers(1, 5), min_size=1, max_size=7))
def test_no_stretch_of_a_window_or_less_admits_more_than_the_limit_and_its_share_of_it(
    limit: int, steps: list[int], sizes: list[int]
) -> None:
    counter = driven(limit, steps, sizes)
    moments = [at for at, _ in counter.log]
    for since in moments:
        for until in (at for at in moments if since <= at <= since + W):
            assert counter.admitted(since, until) <= limit * (1 + (until - since) / W) + 1e-9


@given(limits, gaps)
def test_the_estimate_forgets_what_is_older_than_a_window_and_counts_what_the_run_still_holds(
    limit: int, steps: list[int]
) -> None:
    counter = driven(limit, steps)
    now = START + sum(steps)
    current = counter.usage.current
    if now - W < current.first_us:
        assert counter.usage.estimate(now, W) >= counter.admitted(current.first_us, now)
    assert counter.usage.estimate(current.last_us + W, W) == 0


@example(10, [0, 0, 0, 0, 0, 0, 0, 0, 1], 2)
@given(limits, gaps, st.integers(1, 5))
def test_a_refused_hit_is_admitted_at_its_retry_time_and_not_before(
    limit: int, steps: list[int], hits: int
) -> None:
    counter, now = driven(limit, steps), START + sum(steps)
    wait = counter.usage.retry_us(hits, limit, now, W)
    if hits > limit or counter.usage.admits(hits, limit, now, W):
        return
    assert counter.usage.admits(hits, limit, now + wait, W)
    assert not counter.usage.admits(hits, limit, now + wait - 2, W)


@given(limits, gaps)
def test_one_hit_never_waits_for_longer_than_a_window(limit: int, steps: list[int]) -> None:
    counter, now = driven(limit, steps), START + sum(steps)
    assert counter.usage.retry_us(1, limit, now, W) <= W


@given(limits, gaps, st.integers(0, 5))
def test_a_key_that_rested_for_a_window_admits_exactly_its_limit(
    limit: int, steps: list[int], gap: int
) -> None:
    counter = driven(limit, steps)
    now = START + sum(steps) + W
    admitted = [counter.hit(now + n * gap) for n in range(limit + 3)]
    assert admitted == [True] * limit + [False] * 3


@given(limits, st.integers(2, 30))
def test_a_steady_stream_gets_about_its_limit_in_each_window(limit: int, faster: int) -> None:
    step = W // (limit * faster)
    counter = driven(limit, [step] * (10 * limit * faster))
    assert 8 * limit <= sum(hits for _, hits in counter.log) <= 11 * limit


def test_a_full_window_is_followed_by_no_burst_of_another_one() -> None:
    counter = WindowSimulation(10)
    for n in range(10):
        assert counter.hit(START + n * W // 10)
    edge = START + W
    assert [counter.hit(edge + n) for n in range(10)] == [False] * 10
    assert counter.hit(edge + W // 10)


def test_more_hits_than_the_limit_get_a_whole_window_as_retry_time() -> None:
    assert WindowUsage().retry_us(11, 10, START, W) == W


def test_hits_that_are_given_back_leave_those_of_the_run_before_counted() -> None:
    usage = WindowUsage().with_hits(8, START - W, W).with_hits(1, START - W // 10, W)
    later = usage.with_hits(2, START, W)
    returned = later.without_hits(2, later.current.first_us)
    assert (later.current.hits, returned.current.hits, returned.previous.hits) == (2, 0, 9)
    assert returned.with_hits(1, START + 1, W) == WindowUsage(HitRun(1, START, START + 1), usage.current)


@pytest.mark.parametrize(
    ("usage", "remaining", "reset_us"),
    [
        (WindowUsage(), 10, W),
        (WindowUsage(HitRun(4, START, START)), 6, W),
        (WindowUsage(HitRun(4, START - W // 4, START)), 6, W * 3 // 4),
        (WindowUsage(HitRun(4, START - W, START - W // 2)), 6, W),
        (WindowUsage(HitRun(1, START, START), HitRun(8, START - W * 3 // 2, START - W // 2)), 5, W),
    ],
)
def test_what_remains_and_when_it_grows_again(usage: WindowUsage, remaining: int, reset_us: int) -> None:
    assert usage.remaining(10, START, W) == remaining
    assert usage.reset_us(START, W) == reset_us
