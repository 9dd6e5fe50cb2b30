"""Addresses that clients have or make up: one IPv6 /64 is one client, and no form of one is an error."""

import secrets
from typing import Final

import httpx
import pytest

from tests.hostile.callers import ANONYMOUS, CallerDirectory, error_reason

REFRESH: Final = "/api/v1/auth/refresh"
ODD: Final = (
    "[::1",
    "::1]",
    "[]",
    "::",
    ":::",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "2001:db8::1::2",
    "::ffff:999.1.1.1",
    "::ffff:1.2.3",
    "2001:db8::g",
    "fe80::1%../../etc/passwd",
    "[2001:db8::1%25eth0]:99999",
    "2001:db8::1, , 2001:db8::2",
    "0x7f.1",
    "127.1",
    "2001:db8::" + "0" * 2_000,
    "%" * 200,
)


def asked(cast: CallerDirectory, address: str, **further: str) -> httpx.Response:
    """Make a call that is limited by address and never cached, and return the response."""
    headers = {"x-forwarded-for": address, **further}
    return cast.ask(cast[ANONYMOUS], "POST", REFRESH, json={"refreshToken": "x"}, headers=headers)


def left(cast: CallerDirectory, address: str, **further: str) -> int:
    return int(asked(cast, address, **further).headers["x-ratelimit-remaining"])


def site() -> str:
    return f"2001:db8:{secrets.randbelow(65_535) + 1:x}"


@pytest.mark.parametrize("address", ODD)
def test_an_odd_address_is_answered_like_any_other(cast: CallerDirectory, address: str) -> None:
    answer = asked(cast, address)
    assert (answer.status_code, error_reason(answer.json())) == (401, "INVALID_REFRESH_TOKEN"), answer.text


def test_a_client_with_a_whole_64_has_one_allowance(cast: CallerDirectory) -> None:
    network = f"{site()}:{secrets.randbelow(65_535):x}"
    before = left(cast, f"{network}::1")
    hosts = [":".join(f"{secrets.randbelow(65_536):x}" for _ in range(4)) for _ in range(20)]
    for host in hosts:
        asked(cast, f"{network}:{host}")
    # The gateway does not wait for a limiter that is busy, so some may go uncounted.
    assert left(cast, f"{network}::2") <= before - 15


def test_every_form_of_an_ipv4_address_draws_on_one_allowance(cast: CallerDirectory) -> None:
    one, two = secrets.randbelow(256), secrets.randbelow(256)
    ipv4, hexadecimal = f"198.18.{one}.{two}", f"c612:{one:02x}{two:02x}"
    forms = (f"::ffff:{ipv4}", f"::FFFF:{hexadecimal}", f"64:ff9b::{ipv4}", f"2002:{hexadecimal}::7")
    before = left(cast, ipv4)
    for form in forms * 5:
        asked(cast, form)
    assert left(cast, ipv4) <= before - 15


@pytest.mark.parametrize("name", ["x-ic-client", "X-IC-Client", "x-ic-address", "x-ic-account"])
def test_nobody_says_themselves_which_client_they_are(cast: CallerDirectory, name: str) -> None:
    network = site()
    before = left(cast, f"{network}::1")
    for number in range(20):
        asked(cast, f"{network}::1", **{name: f"{site()}:{number:x}::/64"})
    assert left(cast, f"{network}::1") <= before - 15
