"""Visitors: callers before they sign in."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Visitor:
    """A caller before they have signed in; `digest` identifies program and address."""

    client: tuple[str, ...] = ()
    digest: bytes = b""
    device_tokens: tuple[str, ...] = ()


UNKNOWN_VISITOR: Final = Visitor()
