"""Visitors: callers before they sign in."""

import ipaddress
from dataclasses import dataclass
from typing import Final

MAX_PROGRAM_CHARS: Final = 200
_AREA_BITS: Final = 24


@dataclass(frozen=True, slots=True)
class Visitor:
    """A caller before they have signed in; `digest` identifies program and address.

    `client` are the caller's network and the networks around it, `program` is its user agent.
    """

    client: tuple[str, ...] = ()
    digest: bytes = b""
    device_tokens: tuple[str, ...] = ()
    program: str = ""

    @property
    def area(self) -> str:
        """The network as the owner of a session is shown it: an IPv4 /24 or IPv6 /48; empty: not known."""
        if not self.client:
            return ""
        try:
            return str(ipaddress.IPv4Network(f"{self.client[-1]}/{_AREA_BITS}", strict=False))
        except ValueError:
            return self.client[-1]


UNKNOWN_VISITOR: Final = Visitor()
