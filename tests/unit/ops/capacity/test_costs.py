"""Prices by amount."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.capacity.costs import price_egress
from ops.capacity.tables import EgressTier

TIERS = [
    EgressTier(up_to_gb=10, price=0.10),
    EgressTier(up_to_gb=50, price=0.05),
    EgressTier(up_to_gb=None, price=0.01),
]


@pytest.mark.parametrize(("gb", "price"), [(0, 0), (4, 0.4), (10, 1.0), (30, 2.0), (50, 3.0), (150, 4.0)])
def test_each_tier_prices_its_own_part(gb: float, price: float) -> None:
    assert price_egress(TIERS, gb) == pytest.approx(price)


@given(st.floats(min_value=0, max_value=1e6), st.floats(min_value=0, max_value=1e6))
def test_more_traffic_never_costs_less(gb: float, more: float) -> None:
    assert price_egress(TIERS, gb + more) >= price_egress(TIERS, gb) - 1e-9
