"""Records that the failed sign-ins at an account were many, after the answer to them."""

import asyncio
import contextvars
from typing import Final

from cachetools import TTLCache
from cryptography.exceptions import InvalidTag

from chassis.clock import Clock
from chassis.errors import DomainError
from chassis.observability.logging import get_logger
from services.auth.domain.security_events import MIN_FAILURES_INTERVAL, Performer
from services.auth.domain.security_notes import failures_note
from services.auth.performers import unknown_performer
from services.auth.repository import SecurityEventRepository

MAX_PENDING_RECORDS: Final = 100
"""More at once are left out: a flood of guesses must not become one of writes."""
MAX_NOTED_ACCOUNTS: Final = 10_000
"""Whose last event this process remembers, so that a flood of guesses reads nothing, either."""

_log = get_logger()


class RecordFailures:
    """Records failures in tasks of their own, so that an answer takes as long as for an unknown address."""

    def __init__(self, events: SecurityEventRepository, clock: Clock) -> None:
        self._events = events
        self._pending: set[asyncio.Task[None]] = set()
        self._noted: TTLCache[str, bool] = TTLCache(
            MAX_NOTED_ACCOUNTS, MIN_FAILURES_INTERVAL.total_seconds(), timer=lambda: clock.now().timestamp()
        )

    def note_spent(self, user_id: str, failures: int) -> None:
        """Record soon that a caller has used up their failed sign-ins at an account."""
        if user_id in self._noted or len(self._pending) >= MAX_PENDING_RECORDS:
            return
        self._noted[user_id] = True
        # In a context of its own: the call and its deadline are over before the record is written.
        recording = self._record(user_id, failures, unknown_performer())
        task = asyncio.create_task(recording, context=contextvars.Context())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def settle(self) -> None:
        """Wait until everything is recorded."""
        await asyncio.gather(*self._pending, return_exceptions=True)

    async def _record(self, user_id: str, failures: int, performer: Performer) -> None:
        try:
            await self._events.record(user_id, failures_note(failures), performer)
        except (DomainError, InvalidTag):
            self._noted.pop(user_id, None)
            _log.warning("failed sign-ins could not be recorded", user_id=user_id)
