"""People's access tokens, signed with a key of the tests."""

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

USER_KEY = generate_private_key(SECP256R1())
USER_KEY_ID = "test-1"
ISSUER = "internshipconnect"
"""The issuer of these tokens, which a gateway without an issuer of its own takes, too."""


def access_token(user_id: str, kind: str = "STUDENT", **claims: Any) -> str:
    """Return a good token, unless `claims` say otherwise."""
    now = int(time.time())
    whole = {
        "iss": ISSUER,
        "aud": "internshipconnect",
        "sub": user_id,
        "kind": kind,
        "email_verified": True,
        "iat": now,
        "exp": now + 900,
    }
    return jwt.encode(whole | claims, USER_KEY, "ES256", headers={"kid": USER_KEY_ID})
