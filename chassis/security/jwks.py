"""Sources of the public keys that verify tokens (RFC 7517)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

from chassis.errors import DomainError

KEYS_TTL_S: Final = 300.0
"""The age at which fetched keys are fetched again."""
MIN_FETCH_INTERVAL_S: Final = 10.0
"""The minimum interval between two fetches, so that invented key IDs cannot cause load."""

PublicKeys = Mapping[str, EllipticCurvePublicKey]


class KeySource(Protocol):
    """A source of public keys by their IDs."""

    async def find_key(self, kid: str) -> EllipticCurvePublicKey | None:
        """Return the key; None for an unknown ID. Raises DomainError UNAVAILABLE if none could be fetched."""
        ...


class StaticKeySource:
    """Keys known from the start, e.g. from the file of the services' keys."""

    def __init__(self, keys: PublicKeys) -> None:
        self._keys = keys

    @classmethod
    def from_file(cls, path: Path) -> "StaticKeySource":
        """Read a JWKS file. Raises OSError when it cannot be read, ValueError for other than P-256 keys."""
        return cls(parse_public_keys(orjson.loads(path.read_bytes())["keys"]))

    async def find_key(self, kid: str) -> EllipticCurvePublicKey | None:
        return self._keys.get(kid)


class FetchedKeySource:
    """Keys that are fetched when needed and kept for some minutes.

    An unknown ID triggers a fetch, every few seconds at most; concurrent callers share one fetch. When
    fetching fails, the keys known so far stay valid.
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[PublicKeys]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: PublicKeys = {}
        self._fetched_at = float("-inf")
        self._last_attempt_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find_key(self, kid: str) -> EllipticCurvePublicKey | None:
        if kid not in self._keys or self._clock() - self._fetched_at > KEYS_TTL_S:
            await self._refresh()
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        async with self._fetching:
            if self._clock() - self._last_attempt_at < MIN_FETCH_INTERVAL_S and self._keys:
                return
            self._last_attempt_at = self._clock()
            try:
                self._keys = await self._fetch()
                self._fetched_at = self._clock()
            except DomainError:
                if not self._keys:
                    raise


def parse_public_keys(jwks: Iterable[Mapping[str, Any]]) -> dict[str, EllipticCurvePublicKey]:
    """Return the keys of a JWKS by `kid`. Raises ValueError for one that is not a P-256 key with an ID."""
    return {str(jwk.get("kid", "")): _parse_public_key(jwk) for jwk in jwks}


def _parse_public_key(jwk: Mapping[str, Any]) -> EllipticCurvePublicKey:
    try:
        key = jwt.PyJWK(dict(jwk), algorithm="ES256").key
    except jwt.PyJWTError as error:
        raise ValueError(f"key {jwk.get('kid')!r} is not usable: {error}") from error
    if (
        not isinstance(key, EllipticCurvePublicKey)
        or not isinstance(key.curve, SECP256R1)
        or not jwk.get("kid")
    ):
        raise ValueError(f"key {jwk.get('kid')!r} is not a public P-256 key with an ID")
    return key
