"""The signing keys as one process knows them: looked up twice a minute, rotated by whoever comes first."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from chassis.clock import Clock
from chassis.errors import DomainError, unavailable
from services.auth.domain import KeyState, SigningKey, active_key, due_signing_key, key_state, published_keys
from services.auth.key_store import KeyStore

POLL_INTERVAL: Final = timedelta(seconds=30)

log = logging.getLogger(__name__)


class SigningKeyStorage(Protocol):
    """Where signing keys are kept."""

    async def all(self) -> list[SigningKey]: ...

    async def add(self, key: SigningKey) -> bool: ...

    async def remove(self, key: SigningKey) -> None: ...


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs now."""

    kid: str
    private_key: ec.EllipticCurvePrivateKey


class KeyRing:
    """Knows which key signs and which are published.

    A key is published at least twelve hours before it signs, so it does no harm that a process learns of
    it half a minute late. Keys that are known keep signing while the store does not answer.
    """

    def __init__(self, keys: SigningKeyStorage, vault: KeyStore, clock: Clock, rotation: timedelta) -> None:
        self._keys = keys
        self._vault = vault
        self._clock = clock
        self._rotation = rotation
        self._known: Sequence[SigningKey] = ()
        self._looked: datetime | None = None
        self._signer: Signer | None = None
        self._looking = asyncio.Lock()

    async def signer(self) -> Signer:
        """The key that signs now. Raises DomainError UNAVAILABLE while none is known."""
        active = active_key(await self._current(), self._clock.now())
        if active is None:
            raise unavailable("The key store")
        if self._signer is None or self._signer.kid != active.kid:
            self._signer = Signer(active.kid, self._vault.private_key(active))
        return self._signer

    async def published(self) -> list[SigningKey]:
        """The keys for the JWKS: next, active and retired ones."""
        return published_keys(await self._current(), self._clock.now())

    async def rotate(self) -> None:
        """Makes the next key when it is due and forgets those that no valid token is signed with."""
        now = self._clock.now()
        keys = await self._keys.all()
        if due := due_signing_key(keys, self._rotation, now):
            await self._keys.add(self._vault.make_signing_key(due, now))
        for key in keys:
            if key_state(key, keys, now) is KeyState.EXPIRED:
                await self._keys.remove(key)

    async def _current(self) -> Sequence[SigningKey]:
        if self._is_fresh():
            return self._known
        async with self._looking:
            if not self._is_fresh():
                await self._look()
        return self._known

    def _is_fresh(self) -> bool:
        return self._looked is not None and self._clock.now() < self._looked + POLL_INTERVAL

    async def _look(self) -> None:
        try:
            self._known = await self._keys.all() or await self._first_key()
        except DomainError:
            if not self._known:
                raise
            log.warning("the key store does not answer; signing with the keys that are known")
        self._looked = self._clock.now()

    async def _first_key(self) -> Sequence[SigningKey]:
        await self.rotate()
        return await self._keys.all()
