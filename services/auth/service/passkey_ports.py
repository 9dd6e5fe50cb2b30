"""The ports to what verifies passkeys, and to what keeps their challenges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.auth.domain.accounts import Account
from services.auth.domain.passkeys import NewCredential, PasskeyChallenge, PasskeyProof


class PasskeyVerifier(Protocol):
    """Makes options for browsers, and verifies their answers for one domain and its origins.

    Each answer has to say that the person was verified, not just present.
    """

    def registration_options(self, account: Account, challenge: bytes) -> str:
        """Return JSON options for a new credential; those that the account has are left out."""
        ...

    def sign_in_options(self, challenge: bytes) -> str:
        """Return JSON options for any credential of the domain."""
        ...

    def verify_registration(self, credential: str, challenge: bytes) -> NewCredential:
        """Return the credential that was made, from its JSON. Raises PASSKEY_INVALID."""
        ...

    def read_credential_id(self, credential: str) -> bytes:
        """Return whose signature an answer claims to be, not verified yet. Raises PASSKEY_INVALID."""
        ...

    def verify_assertion(self, credential: str, challenge: bytes, public_key: bytes) -> PasskeyProof:
        """Return what a signed answer says. Raises PASSKEY_INVALID."""
        ...


class PasskeyChallenges(Protocol):
    """The challenges that wait for an answer, by their tickets."""

    async def keep(self, ticket: str, challenge: PasskeyChallenge) -> None:
        """Keep a challenge for some minutes. Raises UNAVAILABLE."""
        ...

    async def take(self, ticket: str) -> PasskeyChallenge | None:
        """Return the challenge of a ticket, and forget it: of two who take it one gets None."""
        ...


@dataclass(frozen=True, slots=True)
class PasskeyPorts:
    """What passkeys stand on."""

    verifier: PasskeyVerifier
    challenges: PasskeyChallenges


@dataclass(frozen=True, slots=True)
class PasskeySite:
    """The domain that passkeys belong to, and the origins (sites and apps) that may use them."""

    domain: str
    origins: Sequence[str]
