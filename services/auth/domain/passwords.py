"""Which passwords are refused: too short, too common, or made of their owner's own words.

By NIST SP 800-63B-4: length and a blocklist, no rules of composition. A password that is the only proof of
who signs in is longer than one beside a second factor. The contract has the upper bound, which admits long
phrases whole.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final

from zxcvbn import zxcvbn

from chassis.errors import Violation, invalid_argument

MIN_PASSWORD_CHARS: Final = 15
MIN_PASSWORD_BESIDE_FACTOR_CHARS: Final = 8
MIN_PASSWORD_SCORE: Final = 2
"""zxcvbn's score: 0 and 1 need fewer than a million guesses, within reach of an online attack."""

# The estimate takes time that grows steeply with length (20 ms at 16 characters, 400 ms at 24 in the worst
# case), so a long password is judged by its two ends.
_MAX_SCORED_CHARACTERS: Final = 16


def check_password(
    password: str,
    *,
    about: Iterable[str] = (),
    field: str = "password",
    has_second_factor: bool = False,
) -> None:
    """Raise INVALID_FIELD on `field` if it is short, common, or guessable from words `about` its owner."""
    check_password_length(password, field=field, has_second_factor=has_second_factor)
    known = [word for words in about for word in (words, *words.replace("@", " ").split())]
    if max(_password_score(part, known) for part in _scored_parts(password)) < MIN_PASSWORD_SCORE:
        raise invalid_argument(
            Violation(field, "is too easy to guess; take several unrelated words or a generated one")
        )


def check_password_length(password: str, *, field: str = "password", has_second_factor: bool = False) -> None:
    """Raise INVALID_FIELD on `field` if it is too short for an account with, or without, a second factor."""
    if len(_composed(password)) < MIN_PASSWORD_BESIDE_FACTOR_CHARS:
        raise invalid_argument(
            Violation(field, f"must have at least {MIN_PASSWORD_BESIDE_FACTOR_CHARS} characters")
        )
    if is_short_password(password) and not has_second_factor:
        raise invalid_argument(
            Violation(
                field,
                f"must have at least {MIN_PASSWORD_CHARS} characters, as it is all that proves who signs in;"
                f" with an authenticator app {MIN_PASSWORD_BESIDE_FACTOR_CHARS} are enough",
            )
        )


def is_short_password(password: str) -> bool:
    """Return whether a password is long enough only beside a second factor."""
    return len(_composed(password)) < MIN_PASSWORD_CHARS


def canonical_password(password: str) -> bytes:
    """Return the bytes that are hashed: NFC, so that one password typed on two keyboards stays one."""
    return _composed(password).encode()


def _composed(password: str) -> str:
    return unicodedata.normalize("NFC", password)


def _scored_parts(password: str) -> tuple[str, ...]:
    if len(password) <= _MAX_SCORED_CHARACTERS:
        return (password,)
    return password[:_MAX_SCORED_CHARACTERS], password[-_MAX_SCORED_CHARACTERS:]


def _password_score(text: str, known: list[str]) -> int:
    return int(zxcvbn(text, user_inputs=known)["score"])
