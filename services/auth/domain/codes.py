"""Codes of eight digits that are sent to an address: what proves that somebody reads its mail.

A code is stored as a keyed digest and works once, for a quarter of an hour. Guesses at it are counted for the
address, by all clients together and by each one.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

CODE_DIGITS: Final = 8
CODE_LIFE: Final = timedelta(minutes=15)
MAX_GUESSES_PER_CODE: Final = 50
"""By all clients together; the gateway lets each of them make five in a quarter of an hour."""
MAX_GUESSES_OF_REGISTRANT: Final = 10
"""By the client that asked for the code, however many others have made."""

_CODE_COUNT: Final = 10**CODE_DIGITS


@dataclass(frozen=True, slots=True)
class RegistrationClient:
    """Where a registration or a guess comes from, and the network around it, as digests; empty: not known."""

    client: bytes = b""
    network: bytes = b""


UNKNOWN_CLIENT: Final = RegistrationClient()


@dataclass(frozen=True, slots=True)
class CodeGuesses:
    """How many codes were tried for an address lately: by everybody, and by one client."""

    total: int
    by_client: int = 0

    def are_left(
        self, before: "CodeGuesses", asked_from: RegistrationClient, guesser: RegistrationClient
    ) -> bool:
        """Return whether a code is still good after these guesses, the present one included.

        `before` are those made when it was sent. Where it was asked for it is, whatever others have tried.
        """
        is_own = bool(guesser.client) and guesser.client == asked_from.client
        return 0 < self.total - before.total <= MAX_GUESSES_PER_CODE or (
            is_own and 0 < self.by_client - before.by_client <= MAX_GUESSES_OF_REGISTRANT
        )


@dataclass(frozen=True, slots=True)
class SentCode:
    """A code that was sent to `email`, with what was known when it was."""

    email: str
    digest: bytes
    guesses_before: int
    own_guesses_before: int
    expire_time: datetime
    asked_from: RegistrationClient = UNKNOWN_CLIENT

    def is_proven_by(
        self, digest: bytes, guesses: CodeGuesses, guesser: RegistrationClient, now: datetime
    ) -> bool:
        """Return whether this digest is the code's, which can still be used; in constant time."""
        before = CodeGuesses(self.guesses_before, self.own_guesses_before)
        is_good = now < self.expire_time and guesses.are_left(before, self.asked_from, guesser)
        return hmac.compare_digest(self.digest, digest) and is_good


def new_code() -> str:
    """Return a random code."""
    return f"{secrets.randbelow(_CODE_COUNT):0{CODE_DIGITS}}"


def digest_code(key: bytes, user_id: str, code: str) -> bytes:
    """Return the stored form of a code: keyed, since eight digits alone can be found in seconds."""
    return hmac.digest(key, f"{user_id}:{code}".encode(), hashlib.sha256)


def digest_client(key: bytes, user_id: str, networks: Sequence[str]) -> RegistrationClient:
    """Return the stored form of a client and the networks around it: keyed, since there are few addresses."""
    if not networks:
        return RegistrationClient()
    client, network = (
        hmac.digest(key, f"{user_id}:{each}".encode(), hashlib.sha256) for each in (networks[0], networks[-1])
    )
    return RegistrationClient(client, network)
