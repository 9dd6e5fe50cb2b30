"""The languages that the product speaks, and which of them a client asks for."""

import re
from typing import Final

DEFAULT_LANGUAGE: Final = "en"
LANGUAGES: Final = ("en", "de")

MAX_HEADER_CHARS: Final = 256
MAX_LANGUAGE_RANGES: Final = 16
_LANGUAGE_RANGE: Final = re.compile(
    r"(?P<tag>[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4}|\*)"
    r"(?:[ \t]*;[ \t]*q=(?P<quality>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)


def preferred_language(accept_language: str) -> str:
    """Return the one of `LANGUAGES` that an Accept-Language header prefers; "" when it names none of them.

    A header that is too long, or is not written as RFC 9110 has it, names none.
    """
    ranges = [part.strip(" \t") for part in accept_language.split(",")]
    if len(accept_language) > MAX_HEADER_CHARS or len(ranges) > MAX_LANGUAGE_RANGES:
        return ""
    found = [_LANGUAGE_RANGE.fullmatch(each) for each in ranges if each]
    weighted: list[tuple[float, str]] = []
    for each in found:
        if each is None:
            return ""
        language = each["tag"].partition("-")[0].lower()
        weighted.append((float(each["quality"] or 1), language))
    known = [each for each in weighted if each[1] in LANGUAGES and each[0] > 0]
    return max(known, key=lambda each: each[0])[1] if known else ""
