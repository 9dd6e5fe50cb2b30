"""API keys of companies: what a program sends in place of a person's access token.

A key is `ick_<id>_<secret>`: the ID, without its prefix, finds the key, and the secret of 256 random bits
proves it. Only the secret's SHA-256 is stored; nobody can guess 256 bits, so no slow hash is needed.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, Self

from chassis.errors import domain_error, not_found
from chassis.ids import new_id, slot_of

MAX_API_KEYS: Final = 24
"""Of one company, expired ones that are still listed included."""
EXPIRED_KEYS_LISTED: Final = timedelta(days=30)
API_KEY_PREFIX: Final = "ick_"

_ID_PREFIX: Final = "key"
_SECRET_BYTES: Final = 32
_ENCODED: Final = re.compile(r"ick_([0-7][0-9A-HJKMNP-TV-Z]{25})_([A-Za-z0-9_-]{43})")


class ApiKeyScope(StrEnum):
    """What a key may do; the contracts say which calls each scope opens."""

    LISTINGS_READ = "LISTINGS_READ"
    LISTINGS_WRITE = "LISTINGS_WRITE"
    APPLICATIONS_READ = "APPLICATIONS_READ"
    APPLICATIONS_WRITE = "APPLICATIONS_WRITE"
    FIGURES_READ = "FIGURES_READ"


class ApiKeyChangeKind(StrEnum):
    CREATED = "CREATED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class PresentedApiKey:
    """A key as a program sends it."""

    id: str
    secret: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.secret).digest()

    def encode(self) -> str:
        """Return the key as its owner is shown it, once."""
        return f"{shown_prefix(self.id)}_{base64.urlsafe_b64encode(self.secret).decode().rstrip('=')}"

    @classmethod
    def new(cls, company_id: str, now: datetime) -> Self:
        """Return a random key, with an ID in the company's slot."""
        return cls(new_id(_ID_PREFIX, slot_of(company_id), at=now), secrets.token_bytes(_SECRET_BYTES))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Parse an encoded key. Raises API_KEY_INVALID for a text that `encode` cannot have made."""
        found = _ENCODED.fullmatch(text)
        if found is None:
            raise invalid_api_key()
        return cls(f"{_ID_PREFIX}_{found[1]}", base64.urlsafe_b64decode(f"{found[2]}="))


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored; `last_use_day` is in UTC, as `2026-11-30`, and empty for a key without use."""

    id: str
    name: str
    scopes: tuple[ApiKeyScope, ...]
    digest: bytes
    creator_id: str
    create_time: datetime
    expire_time: datetime
    last_use_day: str = ""

    def has_expired(self, now: datetime) -> bool:
        return now >= self.expire_time

    def is_proven_by(self, presented: PresentedApiKey) -> bool:
        """Return whether the secret is this key's; in constant time."""
        return hmac.compare_digest(self.digest, presented.digest)


@dataclass(frozen=True, slots=True)
class CompanyApiKeys:
    """All keys of a company, whose ID is `id`; a suspended company has none.

    `company_version` is that of the company's newest change of state that is known.
    """

    id: str
    keys: tuple[ApiKey, ...] = ()
    is_suspended: bool = False
    company_version: int = 0
    version: int = 0

    def find_key(self, key_id: str) -> ApiKey | None:
        """Return the key of an ID, or None."""
        return next((key for key in self.keys if key.id == key_id), None)

    def find_key_or_raise(self, key_id: str) -> ApiKey:
        """Return the key of an ID. Raises API_KEY_NOT_FOUND."""
        found = self.find_key(key_id)
        if found is None:
            raise not_found("API_KEY_NOT_FOUND", "API key", key_id)
        return found

    def listed(self, now: datetime) -> tuple[ApiKey, ...]:
        """Return the keys that the company sees, the newest first."""
        shown = [key for key in self.keys if now < key.expire_time + EXPIRED_KEYS_LISTED]
        return tuple(sorted(shown, key=lambda key: key.id, reverse=True))

    def check_capacity(self, now: datetime) -> None:
        """Raise COMPANY_SUSPENDED or API_KEY_LIMIT_REACHED when the company cannot have another key."""
        if self.is_suspended:
            raise domain_error("COMPANY_SUSPENDED", "A suspended company has no API keys.")
        if len(self.listed(now)) >= MAX_API_KEYS:
            raise domain_error(
                "API_KEY_LIMIT_REACHED", f"A company has at most {MAX_API_KEYS} API keys; revoke one first."
            )

    def with_key(self, key: ApiKey, now: datetime) -> "CompanyApiKeys":
        """Return the keys with another one, and without those that expired long ago.

        Raises as `check_capacity`.
        """
        self.check_capacity(now)
        return self._with_keys((key, *self.listed(now)))

    def without_key(self, key_id: str) -> "CompanyApiKeys":
        """Return the keys without one. Raises API_KEY_NOT_FOUND."""
        revoked = self.find_key_or_raise(key_id)
        return self._with_keys(tuple(key for key in self.keys if key is not revoked))

    def used_on(self, key_id: str, day: date) -> "CompanyApiKeys | None":
        """Return the keys after one was used on a day; None when that is known, or the key is gone."""
        key = self.find_key(key_id)
        if key is None or key.last_use_day >= day.isoformat():
            return None
        used = replace(key, last_use_day=day.isoformat())
        return self._with_keys(tuple(used if each is key else each for each in self.keys))

    def with_suspension(self, *, is_suspended: bool, company_version: int) -> "CompanyApiKeys | None":
        """Return the keys after a change of the company's state; None when a newer one is known.

        A suspension ends all keys. They do not come back with the company.
        """
        if company_version <= self.company_version:
            return None
        return replace(
            self,
            keys=() if is_suspended else self.keys,
            is_suspended=is_suspended,
            company_version=company_version,
            version=self.version + 1,
        )

    def _with_keys(self, keys: tuple[ApiKey, ...]) -> "CompanyApiKeys":
        return replace(self, keys=keys, version=self.version + 1)


def shown_prefix(key_id: str) -> str:
    """Return how a key begins; it is no secret."""
    return f"{API_KEY_PREFIX}{key_id.removeprefix(f'{_ID_PREFIX}_')}"


def invalid_api_key() -> Exception:
    return domain_error("API_KEY_INVALID", "The API key is not one of ours, has expired or was revoked.")
