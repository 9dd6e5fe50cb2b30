"""The chart renders with every set of values, and what it makes passes all checks."""

import pytest

from verify.chart.checks import list_checks

CHECKS = {check.name: check for check in list_checks(is_short=True)}


@pytest.mark.parametrize("name", CHECKS)
def test_the_chart_passes(name: str) -> None:
    assert not list(CHECKS[name].find_problems())


@pytest.mark.thorough
@pytest.mark.parametrize("check", list_checks(is_short=False), ids=lambda check: check.name)
def test_the_chart_passes_with_both_helms_and_all_versions_of_kubernetes(check: object) -> None:
    assert not list(check.find_problems())  # type: ignore[attr-defined]
