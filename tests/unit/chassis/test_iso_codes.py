"""Codes are checked as the sets that ISO keeps, and the answer says what to write."""

import pytest

from chassis.iso_codes import (
    COUNTRY_CODES,
    CURRENCY_DECIMALS,
    find_country_problem,
    find_currency_problem,
    find_whole_number_problem,
)


def test_the_sets_are_those_of_iso() -> None:
    assert len(COUNTRY_CODES) == 249
    assert {"DE", "GB", "US", "IN", "BR", "TW", "GR"} <= COUNTRY_CODES
    decimals = {"EUR": 2, "JPY": 0, "KWD": 3, "IDR": 2, "IRR": 2, "ISK": 0, "TND": 3}
    assert {code: CURRENCY_DECIMALS[code] for code in decimals} == decimals


@pytest.mark.parametrize(
    ("code", "instead"),
    [("UK", "GB"), ("EL", "GR"), ("de", "DE"), ("DEU", "DE"), ("Germany", "DE"), ("uk", "GB"), (" FR", "FR")],
)
def test_a_country_that_is_meant_is_named(code: str, instead: str) -> None:
    assert f"write `{instead}`" in find_country_problem(code)


@pytest.mark.parametrize("code", ["ZZ", "XX", "AA", "XK", "EU", "AN", "CS", "SU", "ÄÖ", "1", "D E", ""])
def test_what_is_no_country_is_refused(code: str) -> None:
    assert "ISO 3166-1" in find_country_problem(code)


@pytest.mark.parametrize(
    ("code", "instead"),
    [("DEM", "EUR"), ("HRK", "EUR"), ("usd", "USD"), ("RMB", "CNY"), ("SLL", "SLE"), ("€", "EUR")],
)
def test_a_currency_that_is_meant_is_named(code: str, instead: str) -> None:
    assert f"write `{instead}`" in find_currency_problem(code)


@pytest.mark.parametrize("code", ["ZZZ", "XXX", "XTS", "XAU", "XAG", "XDR", "CLF", "CHE", "BTC", "EURO", ""])
def test_what_is_no_money_is_refused(code: str) -> None:
    assert "ISO 4217" in find_currency_problem(code)


@pytest.mark.parametrize("code", sorted(CURRENCY_DECIMALS))
def test_every_currency_in_use_passes(code: str) -> None:
    assert not find_currency_problem(code)


@pytest.mark.parametrize("number", [0.0, 1.0, 5e12, 2.0**53 - 1])
def test_whole_amounts_pass(number: float) -> None:
    assert not find_whole_number_problem(number)


@pytest.mark.parametrize("number", [0.5, -1.0, 2.0**53, 1e300, float("inf"), float("nan")])
def test_other_amounts_are_refused(number: float) -> None:
    assert "whole number" in find_whole_number_problem(number)
