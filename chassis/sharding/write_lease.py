"""Permission to write to a shard: a lease per shard, and a permit per `Shard` object.

The authority over a shard's slots lies on the shard itself, in its own copy of the slot map. A process that
has not confirmed that copy within the lease may have missed that slots moved, and writes nothing. A
confirmation is a majority read from the primary: a former primary may answer with an old copy, but writes to
it, which wait for the majority, do not last either.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from chassis.errors import DomainError

WRITE_LEASE_S: Final = 10.0
"""How long a confirmation is valid, from the moment when the shard was asked."""
ANNOUNCEMENT_TTL_S: Final = 40.0
"""How long a process counts as a member after it announced itself; its row is kept for a minute."""
FIRST_CONFIRMATION_TIMEOUT_S: Final = 2.0
"""How long the first writes of a process wait for the first confirmation."""
UNCONFIRMED_RETRY_AFTER_S: Final = 0.5
FENCED_RETRY_AFTER_S: Final = 0.2

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds_since_boot() -> float:
    """Return the seconds since boot, sleep included, as leases on other machines go on as well."""
    return time.clock_gettime(_CLOCK)


class WriteLease:
    """The lease on the known slots of a shard; without limit until confirmations are required."""

    def __init__(self, now: Callable[[], float] = seconds_since_boot) -> None:
        self.now = now
        self._confirmed_at = -math.inf
        self._announced_at = -math.inf
        self._until = math.inf
        self._first_valid = asyncio.Event()

    def require_confirmation(self) -> None:
        """Require from now on that the lease is confirmed, and announced to the shard."""
        self._confirmed_at = self._announced_at = self._until = -math.inf

    def record_confirmation(self, asked_at: float) -> None:
        """Prolong the lease: the shard was asked for its copy at `asked_at`, and the answer is in force."""
        self._confirmed_at = asked_at
        self._extend()

    def record_announcement(self, asked_at: float) -> None:
        """Record that the process announced itself to the shard at that time."""
        self._announced_at = asked_at
        self._extend()

    def is_announced(self) -> bool:
        """Return whether the shard counts this process as a member."""
        return self.now() < self._announced_at + ANNOUNCEMENT_TTL_S

    def is_valid(self) -> bool:
        """Return whether the lease is valid."""
        return self.now() < self._until

    def remaining_s(self) -> float:
        """Return the seconds until the lease expires."""
        return max(0.0, self._until - self.now())

    async def wait_until_first_valid(self) -> None:
        """Return once the lease is valid for the first time, or after two seconds; at once if it ever was."""
        if not self._first_valid.is_set():
            try:
                async with asyncio.timeout(FIRST_CONFIRMATION_TIMEOUT_S):
                    await self._first_valid.wait()
            except TimeoutError:
                return

    def _extend(self) -> None:
        self._until = min(self._confirmed_at + WRITE_LEASE_S, self._announced_at + ANNOUNCEMENT_TTL_S)
        if self.is_valid():
            self._first_valid.set()


class WritePermit:
    """Admits writes of one `Shard` object, called `resource_name` in errors, until it is revoked.

    `async with permit` raises DomainError UNAVAILABLE, or counts the block as a write in flight.
    """

    def __init__(self, resource_name: str, lease: WriteLease) -> None:
        self.writes_in_flight = 0
        self.blocked_slots: frozenset[int] = frozenset()
        """Slots of the shard that must not be written to by holders of the whole shard."""
        self._resource_name = resource_name
        self._lease = lease
        self._is_revoked = False

    def revoke(self) -> None:
        """Admit no further writes: slots have moved, or are about to move, to another shard."""
        self._is_revoked = True

    def raise_if_revoked(self) -> None:
        """Raise DomainError UNAVAILABLE when writes are not admitted."""
        if self._is_revoked:
            raise self._migration_in_progress()
        if not self._lease.is_valid():
            message = f"{self._resource_name} has not confirmed lately which records it holds."
            raise DomainError("UNAVAILABLE", message, retry_after_s=UNCONFIRMED_RETRY_AFTER_S)

    def raise_if_slot_blocked(self, slot: int) -> None:
        """Raise DomainError UNAVAILABLE when this slot must not be written to."""
        if slot in self.blocked_slots:
            raise self._migration_in_progress()

    async def __aenter__(self) -> None:
        if not self._lease.is_valid():
            await self._lease.wait_until_first_valid()
        self.raise_if_revoked()
        self.writes_in_flight += 1

    async def __aexit__(self, *_: object) -> None:
        self.writes_in_flight -= 1

    def _migration_in_progress(self) -> DomainError:
        message = f"{self._resource_name} is handing these records over to another shard."
        return DomainError("UNAVAILABLE", message, retry_after_s=FENCED_RETRY_AFTER_S)
