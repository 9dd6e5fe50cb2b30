"""Passkeys (Web Authentication): the public keys that sign in to an account, and the rules for their use.

A passkey is two factors by itself: who has the device, and proves to it by finger, face or PIN to be its
owner. Its counter, where it has one, grows with each use; one that does not may be a copy's.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from chassis.call_context import SECOND_FACTOR_METHOD
from chassis.errors import domain_error

MAX_PASSKEYS: Final = 20
MAX_CREDENTIAL_ID_BYTES: Final = 1023
MAX_PUBLIC_KEY_BYTES: Final = 600
"""Enough for RSA with 4,096 bits; larger keys only cost time."""
CHALLENGE_LIFE: Final = timedelta(minutes=5)
"""The time in which a registration or a sign-in is completed."""
CHALLENGE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of an account; `public_key` is a COSE key (RFC 9052), `is_refused` that it may be a copy's.

    `is_backup_eligible` says that it can be on several devices of the person, `is_backed_up` that it was when
    it was used last.
    """

    id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    is_backup_eligible: bool
    is_backed_up: bool
    name: str
    create_time: datetime
    last_use_time: datetime | None = None
    is_refused: bool = False

    @property
    def key(self) -> str:
        """The name of the credential in the directory."""
        return credential_key(self.credential_id)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of a sign-in with it, in the terms of RFC 8176: a synced key is software's."""
        return ("swk" if self.is_backup_eligible else "hwk", "user", SECOND_FACTOR_METHOD)

    def used(self, proof: "PasskeyProof", now: datetime) -> "Passkey":
        """Return the passkey after a use; a refused one where its counter shows a copy."""
        has_counter = proof.sign_count > 0 or self.sign_count > 0
        goes_back = has_counter and proof.sign_count <= self.sign_count
        if self.is_refused or goes_back:
            return replace(self, is_refused=True)
        return replace(self, sign_count=proof.sign_count, is_backed_up=proof.is_backed_up, last_use_time=now)


@dataclass(frozen=True, slots=True)
class PasskeyProof:
    """What a verified answer of an authenticator says of the credential."""

    sign_count: int
    is_backup_eligible: bool
    is_backed_up: bool


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential that an authenticator has made, verified."""

    credential_id: bytes
    public_key: bytes
    proof: PasskeyProof


@dataclass(frozen=True, slots=True)
class PasskeyChallenge:
    """What an authenticator has to sign; for a registration by `user_id`, for a sign-in by anybody ("")."""

    challenge: bytes
    user_id: str = ""


def credential_key(credential_id: bytes) -> str:
    """Return a name of one length; identities, whose names begin with an address, have other ones."""
    return hashlib.sha256(b"passkey\n" + credential_id).hexdigest()


def find_by_credential(passkeys: Sequence[Passkey], credential_id: bytes) -> Passkey | None:
    """Return the passkey of a credential, or None."""
    return next((each for each in passkeys if each.credential_id == credential_id), None)


def invalid_passkey() -> Exception:
    return domain_error(
        "PASSKEY_INVALID", "The passkey is not known, or its answer has expired, was used or is not trusted."
    )


def refused_passkey() -> Exception:
    return domain_error("PASSKEY_REFUSED", "The passkey's counter has gone back; it may have been copied.")


def passkey_in_use() -> Exception:
    return domain_error("PASSKEY_IN_USE", "This passkey signs in to an account already.")
