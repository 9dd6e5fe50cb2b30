import random
from collections.abc import Callable

import pytest

from tests.rank_sums import rank_sum_z, shift_between, tells_apart


def answer_times(seed: int, *, later_s: float = 0.0, count: int = 200) -> list[float]:
    """Return times of a busy machine: mostly some milliseconds, now and then a large part of a second."""
    noise = random.Random(seed)
    times = [0.15 + later_s + noise.lognormvariate(-5, 0.8) for _ in range(count)]
    return [each + 0.4 if noise.random() < 0.03 else each for each in times]


@pytest.mark.parametrize("seed", range(20))
def test_times_of_one_kind_are_not_told_apart(seed: int) -> None:
    assert not tells_apart(answer_times(seed), answer_times(seed + 1_000))


@pytest.mark.parametrize("seed", range(20))
def test_five_milliseconds_are_found_in_the_noise(seed: int) -> None:
    assert tells_apart(answer_times(seed, later_s=0.005), answer_times(seed + 1_000))
    assert tells_apart(answer_times(seed), answer_times(seed + 1_000, later_s=0.005))


def test_a_certain_but_tiny_difference_counts_for_nothing() -> None:
    first, second = [0.1 + n / 1e7 for n in range(200)], [0.1002 + n / 1e7 for n in range(200)]
    assert abs(rank_sum_z(first, second)) > 10
    assert not tells_apart(first, second)


def test_the_sign_says_which_is_larger() -> None:
    assert rank_sum_z([2, 3, 4], [1, 1, 1]) > 0 > rank_sum_z([1, 1, 1], [2, 3, 4])
    assert shift_between([2, 3, 4], [1, 1, 1]) == 2


def test_equal_values_share_their_rank() -> None:
    assert rank_sum_z([1.0, 1.0], [1.0, 1.0]) == 0
    assert rank_sum_z([1, 2, 2], [2, 2, 3]) == pytest.approx(-rank_sum_z([2, 2, 3], [1, 2, 2]))


@pytest.mark.parametrize("work", [rank_sum_z, lambda one, other: rank_sum_z(other, one)])
def test_a_sample_without_values_is_refused(work: Callable[[list[float], list[float]], float]) -> None:
    with pytest.raises(ValueError, match="both samples"):
        work([], [1.0])
