"""Foreign text for a screen: it can neither move the cursor nor imitate another line."""

import unicodedata
from typing import Final

_ALLOWED_CHARACTERS: Final = frozenset({"\t", "\u200c", "\u200d"})
"""Tabs, and the joiners of Persian, Indic and emoji text."""
_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co"})
"""Control characters, direction marks and other invisible ones, line ends."""


def printable(text: str) -> str:
    """Return the text with control characters written out, as `\x1b` or `\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if _is_safe(each) else _escape_character(each) for each in text)


def _is_safe(character: str) -> bool:
    return character in _ALLOWED_CHARACTERS or unicodedata.category(character) not in _UNSAFE_CATEGORIES


def _escape_character(character: str) -> str:
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
