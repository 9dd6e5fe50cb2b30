"""Passwords that are refused although the contract's length rule admits them."""

import unicodedata
from collections.abc import Iterable
from typing import Final

from zxcvbn import zxcvbn

from chassis.errors import Violation, invalid_argument

MIN_PASSWORD_SCORE: Final = 2
"""zxcvbn's score: 0 and 1 need fewer than a million guesses, within reach of an online attack."""

# The estimate takes time that grows steeply with length (20 ms at 16 characters, 400 ms at 24 in the worst
# case), so a long password is judged by its two ends.
_MAX_SCORED_CHARACTERS: Final = 16


def check_password(password: str, *, about: Iterable[str] = ()) -> None:
    """Raise INVALID_FIELD on `password` if it is a common one, or guessable from words `about` its owner."""
    known = [word for words in about for word in (words, *words.replace("@", " ").split())]
    if max(_password_score(part, known) for part in _scored_parts(password)) < MIN_PASSWORD_SCORE:
        raise invalid_argument(
            Violation("password", "is too easy to guess; take several unrelated words or a generated one")
        )


def canonical_password(password: str) -> bytes:
    """Return the bytes that are hashed: NFC, so that one password typed on two keyboards stays one."""
    return unicodedata.normalize("NFC", password).encode()


def _scored_parts(password: str) -> tuple[str, ...]:
    if len(password) <= _MAX_SCORED_CHARACTERS:
        return (password,)
    return password[:_MAX_SCORED_CHARACTERS], password[-_MAX_SCORED_CHARACTERS:]


def _password_score(text: str, known: list[str]) -> int:
    return int(zxcvbn(text, user_inputs=known)["score"])
