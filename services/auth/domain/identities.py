"""Identities at other providers: what one proves, and which of them sign in to an account."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chassis.errors import domain_error

PROVIDER_METHOD: Final = "fed"
"""The method of a sign-in with a provider; RFC 8176 has none for it."""
TICKET_LIFE: Final = timedelta(minutes=10)
"""The time in which a sign-in with a provider is completed."""


@dataclass(frozen=True, slots=True)
class ProvenIdentity:
    """A person as a provider has proven them; `subject` names them there for ever, unlike `email`."""

    provider_id: str
    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False
    name: str = ""

    @property
    def key(self) -> str:
        """The name of the identity in the directory."""
        return identity_key(self.issuer, self.subject)


@dataclass(frozen=True, slots=True)
class LinkedIdentity:
    """An identity that signs in to an account; `email` is the address by which it was linked."""

    id: str
    provider_id: str
    issuer: str
    subject: str
    email: str
    link_time: datetime

    @property
    def key(self) -> str:
        """The name of the identity in the directory."""
        return identity_key(self.issuer, self.subject)


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in with a provider that has begun; `identity` once it is proven, while a second factor lacks."""

    provider_id: str
    nonce: str
    verifier: str
    identity: ProvenIdentity | None = None


def identity_key(issuer: str, subject: str) -> str:
    """Return a name of one length; neither part can hold the line break between them."""
    return hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()


def invalid_provider_sign_in() -> Exception:
    return domain_error("PROVIDER_SIGN_IN_INVALID", "The sign-in has expired, was used or is not trusted.")


def unverified_provider_email() -> Exception:
    return domain_error(
        "PROVIDER_EMAIL_UNVERIFIED", "The provider has not verified an e-mail address of this person."
    )
