"""Numbers as operators type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.capacity.quantities import format_amount, parse_amount, parse_count, parse_layers, parse_share
from ops.errors import OpsError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("800M", 8e8),
        ("1.5k", 1500),
        ("2B", 2e9),
        ("2G", 2e9),
        ("250,000", 250_000),
        ("1_000", 1000),
        ("7", 7),
    ],
)
def test_an_amount_may_have_a_unit_and_separators(text: str, value: float) -> None:
    assert parse_amount("--rps", text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "1MM",
            "takes a number such as 250000, 800M or 1.5k, not '1MM': 'MM' is no unit; use k, M, G, B",
        ),
        ("1m", "'m' is no unit"),
        ("many", "not 'many'"),
        ("-5", "not '-5'"),
        ("0", "--rps takes more than 0"),
        ("", "not ''"),
        ("nan", "not 'nan'"),
        ("9999999B", "at most 1,000B"),
    ],
)
def test_a_wrong_amount_names_the_option_and_says_what_it_takes(text: str, says: str) -> None:
    with pytest.raises(OpsError) as raised:
        parse_amount("--rps", text)
    assert says in str(raised.value)
    assert "--rps" in str(raised.value)


def test_a_count_is_whole() -> None:
    assert parse_count("--users", "1.5k", at_most=10_000) == 1500
    with pytest.raises(OpsError, match=r"--users takes a whole number, not '2\.5'"):
        parse_count("--users", "2.5", at_most=10)


def test_a_share_is_a_percentage_within_its_bounds() -> None:
    assert parse_share("--headroom", "20%") == parse_share("--headroom", "20") == 0.2
    with pytest.raises(OpsError, match="--utilisation takes 1% to 100%, not '120%'"):
        parse_share("--utilisation", "120%", at_least=0.01)
    with pytest.raises(OpsError, match="takes a percentage such as 70%, not 'most'"):
        parse_share("--utilisation", "most")


def test_layers_make_a_hundred() -> None:
    assert parse_layers("--layers", "70/25/5") == (0.7, 0.25, 0.05)
    with pytest.raises(OpsError, match="those of '70/25/6' make 101"):
        parse_layers("--layers", "70/25/6")
    with pytest.raises(OpsError, match="three percentages, edge/redis/database"):
        parse_layers("--layers", "70/30")


@given(st.floats(min_value=1, max_value=1e11))
def test_what_is_shown_can_be_typed(value: float) -> None:
    assert parse_amount("--rps", format_amount(value)) == pytest.approx(value, rel=0.01)
