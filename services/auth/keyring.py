"""The signing keys as one process knows them: read twice a minute, rotated by the first process."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from chassis.clock import Clock
from chassis.errors import DomainError, unavailable
from chassis.observability.logging import get_logger
from services.auth.domain.keys import (
    KeyState,
    SigningKey,
    active_key,
    due_signing_key,
    key_state,
    published_keys,
)
from services.auth.key_store import KeyStore
from services.auth.repository import SigningKeyRepository

POLL_INTERVAL: Final = timedelta(seconds=30)

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs now."""

    kid: str
    private_key: ec.EllipticCurvePrivateKey


class KeyRing:
    """The active signing key and the published ones.

    A key is published at least twelve hours before it signs, so it is harmless that a process reads it half a
    minute late. Known keys stay in use while the store does not answer.
    """

    def __init__(
        self, keys: SigningKeyRepository, key_store: KeyStore, clock: Clock, rotation: timedelta
    ) -> None:
        self._keys = keys
        self.key_store = key_store
        self._clock = clock
        self._rotation = rotation
        self._known: Sequence[SigningKey] = ()
        self._refreshed_at: datetime | None = None
        self._signer: Signer | None = None
        self._refresh_lock = asyncio.Lock()

    async def current_signer(self) -> Signer:
        """Return the key that signs now. Raises DomainError UNAVAILABLE while none is known."""
        active = active_key(await self._current_keys(), self._clock.now())
        if active is None:
            raise unavailable("The key store")
        if self._signer is None or self._signer.kid != active.kid:
            self._signer = Signer(active.kid, self.key_store.private_key(active))
        return self._signer

    async def published_keys(self) -> list[SigningKey]:
        """Return the keys for the JWKS: next, active and retired ones."""
        return published_keys(await self._current_keys(), self._clock.now())

    async def rotate_keys(self) -> None:
        """Make the next key when it is due, and delete those that no valid token is signed with."""
        now = self._clock.now()
        keys = await self._keys.list_keys()
        if due := due_signing_key(keys, self._rotation, now):
            await self._keys.add_key(self.key_store.make_signing_key(due, now))
        for key in keys:
            if key_state(key, keys, now) is KeyState.EXPIRED:
                await self._keys.remove_key(key)

    async def _current_keys(self) -> Sequence[SigningKey]:
        if self._is_fresh():
            return self._known
        async with self._refresh_lock:
            if not self._is_fresh():
                await self._refresh_keys()
        return self._known

    def _is_fresh(self) -> bool:
        return self._refreshed_at is not None and self._clock.now() < self._refreshed_at + POLL_INTERVAL

    async def _refresh_keys(self) -> None:
        try:
            self._known = await self._keys.list_keys() or await self._first_key()
        except DomainError:
            if not self._known:
                raise
            _log.warning("the key store does not answer; signing with the keys that are known")
        self._refreshed_at = self._clock.now()

    async def _first_key(self) -> Sequence[SigningKey]:
        await self.rotate_keys()
        return await self._keys.list_keys()
