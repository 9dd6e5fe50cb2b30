"""Where a descriptor's hits are counted: a key of bounded length in which no value can pass for another."""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from gateway.ratelimit.rules import Entry

LONGEST_KEY: Final = 256
_LONGEST_IN_CLEAR: Final = 64
_DIGEST_BYTES: Final = 16
_IN_CLEAR: Final = re.compile(rf"[A-Za-z0-9._:-]{{0,{_LONGEST_IN_CLEAR}}}")


def counter_key(domain: str, entries: Sequence[Entry], window_s: int) -> str:
    """The key of the descriptor's counter, at most 256 characters.

    Short plain values stand in clear. Others, such as e-mail addresses, stand as a digest: they cannot be
    read in the store, and neither forge a separator nor choose a cluster slot with braces. The window's
    length is part of the key, since counts of one length mean nothing for another.
    """
    parts = "|".join(f"{_plain(key)}={_plain(value)}" for key, value in entries)
    key = f"ratelimit|{window_s}|{_plain(domain)}|{parts}"
    return key if len(key) <= LONGEST_KEY else f"ratelimit|{_digest(key)}"


def _plain(text: str) -> str:
    return text if _IN_CLEAR.fullmatch(text) else _digest(text)


def _digest(text: str) -> str:
    return "#" + blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
