"""The use cases: registering an address and proving it, signing in, refreshing, signing out."""

from services.auth.service.register import Register
from services.auth.service.sign_in import SignIn, SignInResult
from services.auth.service.sign_in_throttle import SignInThrottle
from services.auth.service.token_issuer import SessionRevoker, TokenIssuer

__all__ = ["Register", "SessionRevoker", "SignIn", "SignInResult", "SignInThrottle", "TokenIssuer"]
