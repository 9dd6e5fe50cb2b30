"""Codes of countries and currencies: checks against ISO's sets, with the remedy for a wrong code.

Countries are ISO 3166-1 alpha-2 (package iso3166), currencies are money in use of ISO 4217 (package iso4217).
"""

from collections.abc import Mapping
from typing import Final

from iso3166 import countries as _iso_countries
from iso4217 import Currency

_USER_ASSIGNED: Final = frozenset({"XK"})
_NOT_MONEY: Final = frozenset({"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW"})
"""Codes of funds and units of account, which have decimals but are not paid."""

COUNTRY_CODES: Final = frozenset(each.alpha2 for each in _iso_countries) - _USER_ASSIGNED
"""ISO 3166-1 alpha-2."""
CURRENCY_DECIMALS: Final[Mapping[str, int]] = {
    each.code: each.exponent for each in Currency if each.exponent is not None and each.code not in _NOT_MONEY
}
"""The number of decimals of each currency in use, by its ISO 4217 code."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest whole number up to which a JSON client reads each one exactly."""

_COUNTRY_HINTS: Final[Mapping[str, str]] = {"UK": "GB", "EL": "GR"} | {
    name.casefold(): each.alpha2
    for each in _iso_countries
    if each.alpha2 in COUNTRY_CODES
    for name in (each.alpha3, each.name, each.apolitical_name)
}
_REPLACED_BY_EURO: Final = (
    "ATS BEF BGN CYP DEM EEK ESP FIM FRF GRD HRK IEP ITL LTL LUF LVL MTL NLG PTE SIT SKK XEU"
)
_CURRENCY_HINTS: Final[Mapping[str, str]] = dict.fromkeys(_REPLACED_BY_EURO.split(), "EUR") | {
    "ANG": "XCG",
    "AZM": "AZN",
    "BYR": "BYN",
    "CSD": "RSD",
    "CUC": "CUP",
    "GHC": "GHS",
    "MRO": "MRU",
    "MZM": "MZN",
    "NTD": "TWD",
    "RMB": "CNY",
    "ROL": "RON",
    "RUR": "RUB",
    "SDD": "SDG",
    "SLL": "SLE",
    "STD": "STN",
    "TRL": "TRY",
    "VEF": "VES",
    "ZMK": "ZMW",
    "ZWL": "ZWG",
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "₹": "INR",
}


def find_country_problem(code: str) -> str:
    """Describe the problem of a country's code and the remedy; "" when there is none."""
    return _find_code_problem(
        code, COUNTRY_CODES, _COUNTRY_HINTS, "an ISO 3166-1 alpha-2 country code such as `DE`"
    )


def find_currency_problem(code: str) -> str:
    """Describe the problem of a currency's code and the remedy; "" when there is none."""
    wanted = "the ISO 4217 code of a currency in use such as `EUR`"
    return _find_code_problem(code, CURRENCY_DECIMALS, _CURRENCY_HINTS, wanted)


def find_whole_number_problem(number: float) -> str:
    """Describe the problem of an amount in minor units; "" when there is none."""
    if 0 <= number <= MAX_SAFE_INTEGER and number == int(number):
        return ""
    return f"must be a whole number of minor units from 0 to {MAX_SAFE_INTEGER}"


def _find_code_problem(
    code: str, known: frozenset[str] | Mapping[str, int], hints: Mapping[str, str], wanted: str
) -> str:
    if code in known:
        return ""
    tidy = code.strip().upper()
    meant = tidy if tidy in known else hints.get(tidy) or hints.get(code.strip().casefold())
    if meant:
        return f"`{code}` is not {wanted}; write `{meant}`"
    return f"must be {wanted}; `{code}` is none"
