"""Idempotency claims in memory."""

from datetime import timedelta
from typing import Any

from chassis.clock import Clock
from chassis.idempotency import IdempotencyClaim, IdempotentOperation
from chassis.sharding.idempotency_store import answer_of_row, new_claim_row, stored_answer


class InMemoryClaims:
    """Keeps claims in a dictionary; the rules are those of the stored ones."""

    def __init__(self, clock: Clock) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self._clock = clock

    async def claim_operation(self, claim: IdempotencyClaim, lease_s: float) -> IdempotentOperation | bytes:
        now = self._clock.now()
        lease_until = now + timedelta(seconds=lease_s)
        row = self.rows.get(claim.id)
        if row is None:
            self.rows[claim.id] = row = new_claim_row(claim, now, lease_until)
            return IdempotentOperation(row["operation"], now)
        if (answer := stored_answer(row, claim, now, lease_until)) is not None:
            return answer
        row["lease_until"] = lease_until
        return IdempotentOperation(row["operation"], row["time"], is_replay=True)

    async def find_answer(self, claim: IdempotencyClaim) -> bytes | None:
        row = self.rows.get(claim.id)
        return None if row is None else answer_of_row(row, claim)

    async def store_answer(self, claim: IdempotencyClaim, answer: bytes) -> None:
        self.rows[claim.id]["answer"] = answer

    async def release(self, claim: IdempotencyClaim) -> None:
        self.rows.pop(claim.id, None)

    async def expire(self, claim: IdempotencyClaim) -> None:
        self.rows[claim.id]["lease_until"] = self._clock.now()
