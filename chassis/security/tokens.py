"""Access tokens: ES256 JWTs, verified once and cached until they expire."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from cachetools import LRUCache

from chassis.call_context import Principal
from chassis.clock import MAX_CLOCK_SKEW
from chassis.errors import DomainError
from chassis.security.jwks import KeySource

SERVICE_ISSUER: Final = "internshipconnect"
"""The issuer of services' own tokens."""
OLDER_ISSUER: Final = "internshipconnect"
"""The issuer of people's tokens before it was the gateway's address."""
OLDER_ISSUER_UNTIL: Final = datetime(2027, 3, 1, tzinfo=UTC)
"""Until then people's tokens of either issuer are taken: processes are replaced one after another."""
AUDIENCE: Final = "internshipconnect"
ALGORITHM: Final = "ES256"
SERVICE_KIND: Final = "SERVICE"
SERVICE_KEY_PREFIX: Final = "svc-"

_REQUIRED_CLAIMS = ("exp", "iat", "sub", "kind")
_MAX_TOKEN_CHARS = 4096
_CLOCK_SKEW_S = MAX_CLOCK_SKEW.total_seconds()
_MAX_ISSUED_AHEAD_S = 600
"""How far ahead the issuer's clock may be."""
_MAX_CACHED_TOKENS = 50_000


@dataclass(frozen=True, slots=True)
class _VerifiedToken:
    principal: Principal
    expires_at: float


class TokenVerifier:
    """Verifies the tokens of people with `users` and those of services with `services`, never the other way.

    The token's `kid` decides which: `svc-<name>` is the key of the service `<name>`, which may speak for
    itself only; every other key may speak for people only. `issuer` is that of people's tokens, the gateway's
    address.
    """

    def __init__(self, users: KeySource, services: KeySource, issuer: str) -> None:
        self._issuer = issuer
        self._users = users
        self._services = services
        self._cached: LRUCache[bytes, _VerifiedToken] = LRUCache(_MAX_CACHED_TOKENS)

    async def verify(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises DomainError TOKEN_INVALID, TOKEN_EXPIRED, or UNAVAILABLE when no key could be fetched.
        """
        digest = hashlib.blake2b(token.encode(), digest_size=16).digest()
        known = self._cached.get(digest)
        if known is not None and known.expires_at > time.time():
            return known.principal
        verified = self._cached[digest] = await self._verify_signature(token)
        return verified.principal

    async def _verify_signature(self, token: str) -> _VerifiedToken:
        if len(token) > _MAX_TOKEN_CHARS:
            raise _invalid_token("is longer than any of ours")
        kid = _kid_of(token)
        source = self._services if kid.startswith(SERVICE_KEY_PREFIX) else self._users
        key = await source.find_key(kid)
        if key is None:
            raise _invalid_token("is signed with a key that is not ours")
        claims = _claims_of(token, key, self._issuers_of(kid))
        _check_key_may_sign(kid, claims)
        return _VerifiedToken(_principal_of(claims), float(claims["exp"]))

    def _issuers_of(self, kid: str) -> tuple[str, ...]:
        """Return the issuers that a key may sign for."""
        if kid.startswith(SERVICE_KEY_PREFIX):
            return (SERVICE_ISSUER,)
        is_older_taken = time.time() < OLDER_ISSUER_UNTIL.timestamp()
        return (self._issuer, OLDER_ISSUER) if is_older_taken else (self._issuer,)


def _kid_of(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise _invalid_token("is not a JWT") from None
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(kid, str):
        raise _invalid_token(f"has to be signed with {ALGORITHM} and to name its key")
    return kid


def _claims_of(token: str, key: Any, issuers: Sequence[str]) -> Mapping[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=issuers,
            audience=AUDIENCE,
            leeway=_CLOCK_SKEW_S,
            # A token issued by a clock that is some minutes ahead is accepted; see below.
            options={"require": [*_REQUIRED_CLAIMS, "iss", "aud"], "verify_iat": False},
        )
    except jwt.ExpiredSignatureError:
        raise DomainError("TOKEN_EXPIRED", "The access token has expired.") from None
    except (jwt.InvalidTokenError, TypeError):  # The latter for an issuer that is no text.
        raise _invalid_token("is forged, broken or not meant for this API") from None
    issued = claims["iat"]
    if not isinstance(issued, int | float) or issued > time.time() + _MAX_ISSUED_AHEAD_S:
        raise _invalid_token("says that it was issued in the future")
    return claims


def _check_key_may_sign(kid: str, claims: Mapping[str, Any]) -> None:
    is_service = claims["kind"] == SERVICE_KIND
    allowed = (
        kid == f"{SERVICE_KEY_PREFIX}{claims['sub']}"
        if is_service
        else not kid.startswith(SERVICE_KEY_PREFIX)
    )
    if not allowed:
        raise _invalid_token("is signed with a key that may not speak for its subject")


def _principal_of(claims: Mapping[str, Any]) -> Principal:
    return Principal(
        id=str(claims["sub"]),
        kind=str(claims["kind"]),
        role=str(claims.get("role") or ""),
        org=str(claims.get("org") or ""),
        plan=str(claims.get("plan") or ""),
        session_id=str(claims.get("sid") or ""),
        email_verified=claims.get("email_verified") is True,
        auth_time=int(claims.get("auth_time") or 0),
        amr=tuple(str(method) for method in claims.get("amr") or ()),
        expires_at=float(claims["exp"]),
        scopes=tuple(str(claims["scope"]).split()) if "scope" in claims else None,
    )


def _invalid_token(what: str) -> DomainError:
    return DomainError("TOKEN_INVALID", f"The access token {what}.")
