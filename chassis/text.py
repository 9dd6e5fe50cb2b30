"""One set of rules for text: when it is empty, when two are the same, and valid e-mail addresses.

Text is stored in Unicode's composed form (NFC). A text is empty if a reader sees nothing of it.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from email_validator import EmailNotValidError, validate_email

_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's Default_Ignorable_Code_Point: invisible in every renderer."""
_BLANK_SHAPES: Final = "\u2800\ufffc\U00016fe4\U0001d159"
"""Characters that have a glyph by their category, and an empty one by design."""
_IGNORED: Final = re.compile(f"[{_IGNORABLE}]+")
_UNSEEN: Final = re.compile(f"[{_IGNORABLE}{_BLANK_SHAPES}]")
_OUTER_BLANKS: Final = re.compile(f"^[\\s{_IGNORABLE}]+|[\\s{_IGNORABLE}]+$")
_SHAPELESS: Final = frozenset({"Cc", "Cf", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"})
"""Categories of characters without a glyph of their own: controls, marks without a letter, blanks."""
_JOINED: Final = frozenset({"Mc", "Me", "Mn"})
_JOINERS: Final = frozenset("\u200c\u200d")
_NONCHARACTERS: Final = frozenset(range(0xFDD0, 0xFDF0))
_MAX_CACHED_ADDRESSES: Final = 4_096
_BREAKS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DIRECTION_MARKS: Final = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff]")
"""Characters that change the direction of those around them, and byte-order marks, which readers drop."""
_UNWANTED_IN_LINES: Final = re.compile("[\u2028-\u202e\u2061-\u206f\ufeff\ufff9-\ufffb]")
"""Besides control characters, what the contracts' rule `one_line` refuses: nothing that is part of a word."""
_LINE_SEPARATORS: Final = frozenset("\u2028\u2029")
_DIRECTION_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
"""Halves of surrogate pairs, which no encoding can write."""


class EmailAddressError(ValueError):
    """The text is no e-mail address; the message names the problem, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An address that mail can be sent to. `domain` is in A-labels, `shown` is as it was typed."""

    display: str
    local: str
    domain: str
    key: str
    """The canonical spelling under which all spellings of the address are stored and compared."""

    @property
    def address(self) -> str:
        """The address for the envelope and headers; ASCII whenever `needs_smtputf8` is false."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only mail servers with SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()


def normalize_nfc(text: str) -> str:
    """Return the composed form, in which equal text has equal code points."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_blank(text: str) -> bool:
    """Return whether a reader sees nothing: blanks, controls, ignorable characters, lone marks."""
    return not any(map(_has_shape, text))


def fold_for_comparison(text: str) -> str:
    """Return a key that is equal for texts that look the same, whatever their case, width and spacing."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_IGNORED.sub("", folded).split())


def to_single_line(text: str) -> str:
    """Return the text without characters that break lines, change the writing direction, or are not text."""
    unbroken = _SURROGATES.sub("\ufffd", _DIRECTION_MARKS.sub("", _BREAKS.sub(" ", text)))
    return normalize_nfc(" ".join(unbroken.split()))


def without_unwanted_characters(text: str) -> str:
    """Return the text without characters that a name or a title cannot have though nobody sees them."""
    return _UNWANTED_IN_LINES.sub("", text)


def describe_unwanted_character(text: str) -> str:
    """Name the first such character of a text, and what to do; "" when it has none."""
    found = _UNWANTED_IN_LINES.search(text)
    if found is None:
        return ""
    character = found.group()
    effect = ""
    if character in _DIRECTION_CONTROLS:
        effect = ", which turns the direction of the text"
    elif character in _LINE_SEPARATORS:
        effect = ", which breaks the line"
    name = unicodedata.name(character, f"U+{ord(character):04X}")
    return f"must not hold the invisible character {name}{effect}: remove it"


def truncate_text(text: str, length: int) -> str:
    """Return at most `length` code points, the last an ellipsis if any were cut; no character is split."""
    if len(text) <= length:
        return text
    end = length - 1
    while end > 0 and (_is_joined(text[end]) or text[end - 1] in _JOINERS):
        end -= 1
    return f"{text[: end or length - 1].rstrip()}…"


@lru_cache(_MAX_CACHED_ADDRESSES)
def parse_email_address(text: str) -> EmailAddress:
    """Return the address that a user typed; outer blanks are ignored. Raises EmailAddressError.

    The domain may be in letters of any script or in A-labels (UTS 46). Two addresses are the same when their
    keys are. The reserved domain `.test` is admitted: it has no owner, so that seeds and tests can use
    addresses without harm.
    """
    shown = normalize_nfc(_OUTER_BLANKS.sub("", text))
    try:
        valid = validate_email(shown, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError as problem:
        raise EmailAddressError(str(problem).rstrip(".")) from problem
    if valid.ascii_domain is None or valid.local_part is None:
        raise EmailAddressError("it has no domain that mail could be sent to")
    local = valid.local_part
    return EmailAddress(shown, local, valid.ascii_domain, f"{_folded_local(local)}@{valid.domain}")


def find_email_address_problem(text: str) -> str:
    """Describe the problem of an e-mail address; "" when there is none."""
    try:
        parse_email_address(text)
    except EmailAddressError as problem:
        return f"must be an e-mail address such as name@example.com: {problem}"
    return ""


def _folded_local(local: str) -> str:
    """Return the local part folded letter by letter; a letter outside ASCII never becomes an ASCII one."""
    return normalize_nfc("".join(map(_folded_letter, local)))


def _folded_letter(letter: str) -> str:
    folded = letter.casefold()
    return folded if letter.isascii() or not folded.isascii() else letter


def _has_shape(character: str) -> bool:
    if character.isascii():
        return " " < character < "\x7f"
    category = unicodedata.category(character)
    if category in _SHAPELESS or _UNSEEN.match(character):
        return False
    if category == "Cn":  # not known to this version of Unicode, or never to be a character
        return ord(character) not in _NONCHARACTERS and ord(character) & 0xFFFE != 0xFFFE
    return True


def _is_joined(character: str) -> bool:
    ignorable = _IGNORED.match(character) is not None
    return (
        ignorable or unicodedata.category(character) in _JOINED or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
