"""What one client is: an IPv4 address, or an IPv6 /64, since one subscriber has all addresses of it.

This is the one place of that rule. The edge has it as a script that is given the tables below
(`gateway/envoy/lua/client_network.lua`); the limiter and the services go by what the script says, except for
readers whom the edge's cache answers, who are known by the address alone.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NamedTuple


class EmbeddedIpv4Form(NamedTuple):
    """IPv6 addresses that stand for an IPv4 one: how they begin, and where its two groups are, from 0."""

    prefix: tuple[int, ...]
    position: int
    is_inverted: bool = False


_MAPPED: Final = EmbeddedIpv4Form((0, 0, 0, 0, 0, 0xFFFF), 6)
_TRANSLATED: Final = EmbeddedIpv4Form((0, 0, 0, 0, 0xFFFF, 0), 6)
_NAT64: Final = EmbeddedIpv4Form((0x64, 0xFF9B, 0, 0, 0, 0), 6)
_SIX_TO_FOUR: Final = EmbeddedIpv4Form((0x2002,), 1)
_TEREDO: Final = EmbeddedIpv4Form((0x2001, 0), 6, is_inverted=True)
EMBEDDED_IPV4_FORMS: Final = (_MAPPED, _TRANSLATED, _NAT64, _SIX_TO_FOUR, _TEREDO)
CLIENT_NETWORK_BITS: Final = (64, 56, 48)
"""The client, and the networks around it, which have larger allowances: a household, a site."""
_GROUP_BITS: Final = 16
_GROUP_MASK: Final = 0xFFFF
_WITH_PORT: Final = re.compile(r"\[(.+)\](?::\d+)?|([\d.]+):\d+")


def find_client_networks(address: str) -> tuple[str, ...]:
    """Return the client at an address and, for IPv6, the networks around it; other texts as they stand."""
    found = _WITH_PORT.fullmatch(address)
    host = (found[1] or found[2] if found else address).partition("%")[0]
    try:
        parsed = ipaddress.IPv6Address(host)
    except ValueError:
        return (host,)
    groups = [int(group, 16) for group in parsed.exploded.split(":")]
    embedded = _embedded_ipv4(groups)
    return (embedded,) if embedded else tuple(_network(groups, bits) for bits in CLIENT_NETWORK_BITS)


def _embedded_ipv4(groups: Sequence[int]) -> str:
    for form in EMBEDDED_IPV4_FORMS:
        if tuple(groups[: len(form.prefix)]) == form.prefix:
            high, low = groups[form.position : form.position + 2]
            number = high << _GROUP_BITS | low
            return str(ipaddress.IPv4Address(number ^ 0xFFFF_FFFF if form.is_inverted else number))
    return ""


def _network(groups: Sequence[int], bits: int) -> str:
    whole = -(-bits // _GROUP_BITS)
    kept = [
        group & _GROUP_MASK << max(0, _GROUP_BITS * place - bits) & _GROUP_MASK
        for place, group in enumerate(groups[:whole], start=1)
    ]
    return f"{':'.join(f'{group:x}' for group in kept)}::/{bits}"
