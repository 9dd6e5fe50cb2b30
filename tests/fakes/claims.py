"""Idempotency claims in memory."""

from datetime import timedelta
from typing import Any

from chassis.caller import Operation
from chassis.clock import Clock
from chassis.idempotency import Claim, answer_in, new_row


class InMemoryClaims:
    """Keeps claims in a dictionary; the rules are those of the stored ones."""

    def __init__(self, clock: Clock) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self._clock = clock

    async def begin(self, claim: Claim, lease_s: float) -> Operation | bytes:
        now = self._clock.now()
        lease_until = now + timedelta(seconds=lease_s)
        row = self.rows.get(claim.id)
        if row is None:
            self.rows[claim.id] = row = new_row(claim, now, lease_until)
            return Operation(row["operation"], now)
        if (answer := answer_in(row, claim, now, lease_until)) is not None:
            return answer
        row["lease_until"] = lease_until
        return Operation(row["operation"], row["time"], replay=True)

    async def complete(self, claim: Claim, answer: bytes) -> None:
        self.rows[claim.id]["answer"] = answer

    async def release(self, claim: Claim) -> None:
        self.rows.pop(claim.id, None)

    async def expire(self, claim: Claim) -> None:
        self.rows[claim.id]["lease_until"] = self._clock.now()
