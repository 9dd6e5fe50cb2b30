"""The keys of counters: bounded in length, and distinct for distinct descriptors."""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from gateway.ratelimit.rules import DescriptorEntry

MAX_KEY_CHARS: Final = 256
_MAX_PLAIN_CHARS: Final = 64
_DIGEST_BYTES: Final = 16
_PLAIN_VALUE: Final = re.compile(rf"[A-Za-z0-9._:-]{{0,{_MAX_PLAIN_CHARS}}}")


def counter_key(domain: str, entries: Sequence[DescriptorEntry], window_s: int) -> str:
    """Return the key of the descriptor's counter, at most 256 characters.

    Short plain values are kept. Others, such as e-mail addresses, become a digest: they cannot be read in the
    store, and neither forge a separator nor choose a cluster slot with braces. The window's length is part of
    the key, since counts of one length mean nothing for another.
    """
    parts = "|".join(f"{_plain_or_digest(key)}={_plain_or_digest(value)}" for key, value in entries)
    key = f"ratelimit|{window_s}|{_plain_or_digest(domain)}|{parts}"
    return key if len(key) <= MAX_KEY_CHARS else f"ratelimit|{_digest(key)}"


def _plain_or_digest(text: str) -> str:
    return text if _PLAIN_VALUE.fullmatch(text) else _digest(text)


def _digest(text: str) -> str:
    return "#" + blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
