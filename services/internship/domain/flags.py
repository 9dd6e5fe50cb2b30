"""Flags for moderators: written terms of a listing to check, each with its reason.

Flags inform a person. All that follows from them is that a person looks, unless the company is verified.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.internship.domain.model import Posting

EXCERPT_RADIUS_CHARS: Final = 40
_AMOUNT: Final = r"(?:[$€£₹¥]\s?\d|\d[\d.,\s]*(?:[$€£₹¥]|usd|eur|gbp|inr|rs\b|dollars?|euros?))"

FLAGGED_TERMS: Final[tuple[tuple[str, str], ...]] = (
    ("fee asked", r"\bfees?\b"),
    ("fee asked", r"\b(?:security|refundable|registration)\s+deposit\b"),
    ("fee asked", r"\b(?:gebühr(?:en)?|kaution|vorkasse|frais d\W?inscription|taxa de inscrição|cuota)\b"),
    ("payment asked", rf"\b(?:pay|send|transfer|remit|deposit)\b[^.!?\n]{{0,40}}{_AMOUNT}"),
    (
        "payment outside",
        r"\b(?:western union|moneygram|gift ?cards?|bitcoin|usdt|crypto ?wallet|cash ?app|zelle)\b",
    ),
    ("contact outside", r"\b(?:whats ?app|telegram|signal group|wechat)\b|\bt\.me/|\bwa\.me/"),
    (
        "free-mail contact",
        r"\b[\w.+-]+@(?:gmail|googlemail|yahoo|hotmail|outlook|proton(?:mail)?|gmx|mail)\.\w+",
    ),
    ("bank details asked", r"\b(?:bank (?:account|details)|iban|credit card|card number|passport copy)\b"),
)
"""The kinds of flags, and the words of each, compared in NFKC without letter case."""

_PATTERNS: Final = tuple((what, re.compile(pattern)) for what, pattern in FLAGGED_TERMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModerationFlag:
    """Words found in a field of the listing (its JSON name), with their surroundings."""

    what: str
    field: str
    excerpt: str


def moderation_flags(posting: Posting) -> tuple[ModerationFlag, ...]:
    """Return the flags of a posting: each kind at most once for each field."""
    return tuple(flag for field, text in _texts(posting) for flag in _flags_in(field, text))


def flagged_texts(posting: Posting) -> dict[str, str]:
    """Return the texts in which there is something to look at, by field."""
    return {field: text for field, text in _texts(posting) if any(_flags_in(field, text))}


def _texts(posting: Posting) -> Iterator[tuple[str, str]]:
    yield "title", posting.title
    yield "description", posting.description
    for name, lines in (
        ("responsibilities", posting.responsibilities),
        ("qualifications", posting.qualifications),
        ("documentsRequired", posting.documents_required),
    ):
        yield name, "\n".join(lines)
    yield "questions", "\n".join(f"{asked.text}\n{' '.join(asked.choices)}" for asked in posting.questions)
    if posting.compensation is not None:
        yield "compensation.unpaidBasis", posting.compensation.unpaid_basis


def _flags_in(field: str, text: str) -> Iterator[ModerationFlag]:
    plain = _comparable_text(text)
    seen: set[str] = set()
    for what, pattern in _PATTERNS:
        found = pattern.search(plain)
        if found and what not in seen:
            seen.add(what)
            yield ModerationFlag(what=what, field=field, excerpt=_excerpt_around(plain, found))


def _comparable_text(text: str) -> str:
    composed = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in composed if unicodedata.category(letter) != "Cf")


def _excerpt_around(text: str, found: re.Match[str]) -> str:
    start, end = max(0, found.start() - EXCERPT_RADIUS_CHARS), found.end() + EXCERPT_RADIUS_CHARS
    return " ".join(text[start:end].split())
