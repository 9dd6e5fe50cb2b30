"""What one client is, by the script that Envoy runs, in the interpreter that it runs it with, and by ours."""

import ipaddress
from typing import Any

import lupa.luajit21 as luajit
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chassis.client_network import find_client_networks
from chassis.redis.unique_readers import anonymous_reader_key
from gateway.envoy.rate_limits import render_client_network_lua

_networks: Any = luajit.LuaRuntime().execute(f"{render_client_network_lua()}\nreturn client_networks")


def networks(address: str) -> list[str]:
    """Return what both say: the script at the edge and the chassis."""
    found = list(_networks(address).values())
    assert found == list(find_client_networks(address))
    return found


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.1",
        "192.0.2.1:443",
        "[::ffff:192.0.2.1]:443",
        "::ffff:192.0.2.1",
        "::FFFF:C000:201",
        "0:0:0:0:0:ffff:192.0.2.1",
        "::ffff:0:192.0.2.1",
        "[64:ff9b::192.0.2.1]:443",
        "64:ff9b::c000:201",
        "2002:c000:201::",
        "2002:c000:201:7:8:9:a:b",
        "2001:0:4136:e378:8000:63bf:3fff:fdfe",
    ],
)
def test_every_form_of_an_ipv4_address_is_that_one_client_and_one_reader(address: str) -> None:
    assert networks(address) == ["192.0.2.1"]
    assert anonymous_reader_key(address, "X") == anonymous_reader_key("192.0.2.1", "X")


@pytest.mark.parametrize(
    "address",
    [
        "2001:db8:1:2ab:3:4:5:6",
        "[2001:db8:1:2ab::1]:443",
        "[2001:db8:1:2ab::1]",
        "2001:DB8:1:02AB::1",
        "2001:db8:1:2ab::ffff:192.0.2.1",
        "[2001:db8:1:2ab::1%eth0]:443",
        "2001:db8:1:2ab::",
    ],
)
def test_every_address_and_spelling_of_an_ipv6_64_is_one_client(address: str) -> None:
    assert networks(address) == ["2001:db8:1:2ab::/64", "2001:db8:1:200::/56", "2001:db8:1::/48"]


def test_what_is_no_address_counts_as_it_stands() -> None:
    assert networks("/run/envoy.sock") == ["/run/envoy.sock"]
    assert networks("") == [""]
    assert networks("1:2:3") == ["1:2:3"]


def _stands_for_ipv4(address: ipaddress.IPv6Address) -> bool:
    translated = any(
        address in ipaddress.ip_network(net) for net in ("64:ff9b::/96", "::ffff:0:0:0/96", "2001::/32")
    )
    return bool(address.ipv4_mapped or address.sixtofour or translated)


@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address), st.integers(1, 65_535))
def test_the_areas_of_any_ipv6_address_are_the_networks_around_it(
    address: ipaddress.IPv6Address, port: int
) -> None:
    assume(not _stands_for_ipv4(address))
    found = [ipaddress.ip_network(area) for area in networks(f"[{address}]:{port}")]
    assert found == [ipaddress.ip_network((address, length), strict=False) for length in (64, 56, 48)]
    assert networks(address.exploded) == networks(f"[{address}]:{port}")


@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address))
def test_mapped_6to4_and_teredo_addresses_are_their_ipv4_address(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    sixtofour = ipaddress.IPv6Address((0x2002 << 112) | int(address) << 80 | 99)
    teredo = ipaddress.IPv6Address((0x20010000 << 96) | 1 << 64 | (int(address) ^ 0xFFFFFFFF))
    assert networks(str(mapped)) == networks(str(sixtofour)) == networks(str(teredo)) == [str(address)]
