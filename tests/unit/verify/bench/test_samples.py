"""Figures follow from counts, and say nothing where there is nothing to say."""

import math

import pytest

from verify.bench.samples import LoadSample, percentile, ratio


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_a_percentile_is_the_smallest_value_that_the_share_does_not_exceed(
    share: float, expected: int
) -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, share) == expected


def test_one_value_is_every_percentile() -> None:
    assert percentile([7.0], 0.5) == percentile([7.0], 0.99) == 7.0


def test_without_values_there_is_no_percentile() -> None:
    assert math.isnan(percentile([], 0.5))


def test_failed_calls_count_in_no_rate() -> None:
    sample = LoadSample(2.0, 0.5, [0.001] * 100, {"UNAVAILABLE: gone": 3, "HTTP 503": 1})
    assert (sample.per_s, sample.per_cpu_s, sample.failed) == (50, 200, 4)
    assert sample.latency_ms(0.99) == pytest.approx(1)


def test_cpu_too_little_to_see_gives_no_ratio() -> None:
    sample = LoadSample(1.0, 0.0, [0.001])
    assert math.isinf(sample.per_cpu_s)
    assert math.isnan(ratio(sample.per_cpu_s, 100.0))
    assert math.isnan(ratio(100.0, 0.0))
    assert ratio(70.0, 100.0) == pytest.approx(0.7)
