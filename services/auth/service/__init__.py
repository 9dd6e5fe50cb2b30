"""The use cases: registering an address and proving it, signing in, refreshing, signing out."""

from services.auth.service.attempts import Attempts
from services.auth.service.registration import Registering
from services.auth.service.sessions import SignedIn, SigningIn
from services.auth.service.tokens import Minting, Revocations

__all__ = ["Attempts", "Minting", "Registering", "Revocations", "SignedIn", "SigningIn"]
