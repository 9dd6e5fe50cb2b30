"""What every keeper of idempotency claims does; fake and real one are held to it by the same tests."""

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.clock import FixedClock
from chassis.errors import DomainError
from chassis.idempotency import IdempotencyClaim, IdempotentOperation
from chassis.ids import new_id
from chassis.sharding.idempotency_store import IdempotencyStore

LEASE_S = 3.0
LEASE = timedelta(seconds=LEASE_S)


async def begin_claim(claims: IdempotencyStore, claim: IdempotencyClaim) -> IdempotentOperation:
    """Return the operation of a run that had to be allowed."""
    run = await claims.claim_operation(claim, LEASE_S)
    assert isinstance(run, IdempotentOperation)
    return run


async def refusal(claims: IdempotencyStore, claim: IdempotencyClaim) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await claims.claim_operation(claim, LEASE_S)
    return caught.value


async def begin_twenty_at_once(claims: IdempotencyStore, claim: IdempotencyClaim) -> list[object]:
    return list(
        await asyncio.gather(
            *(claims.claim_operation(claim, LEASE_S) for _ in range(20)), return_exceptions=True
        )
    )


class ClaimsContract:
    """Subclasses provide the fixtures `clock` and `claims`, which read the same time."""

    @pytest.fixture
    def claim(self) -> IdempotencyClaim:
        return IdempotencyClaim(new_id("usr"), "test.v1.ThingService.Make", secrets.token_hex(8), b"d" * 32)

    async def test_the_first_run_is_a_new_operation(
        self, claims: IdempotencyStore, claim: IdempotencyClaim, clock: FixedClock
    ) -> None:
        first = await begin_claim(claims, claim)
        assert (first.started_at, first.is_replay) == (clock.now(), False)

    async def test_an_answer_is_kept_and_given_again(
        self, claims: IdempotencyStore, claim: IdempotencyClaim
    ) -> None:
        await begin_claim(claims, claim)
        await claims.store_answer(claim, b"an\x00swer")
        assert await claims.claim_operation(claim, LEASE_S) == b"an\x00swer"

    async def test_a_stored_answer_is_found_by_its_request_only(
        self, claims: IdempotencyStore, claim: IdempotencyClaim
    ) -> None:
        assert await claims.find_answer(claim) is None
        await begin_claim(claims, claim)
        assert await claims.find_answer(claim) is None
        await claims.store_answer(claim, b"answer")
        assert await claims.find_answer(claim) == b"answer"
        with pytest.raises(DomainError) as caught:
            await claims.find_answer(replace(claim, digest=b"e" * 32))
        assert caught.value.reason == "IDEMPOTENCY_KEY_REUSED"

    async def test_an_empty_answer_is_an_answer(
        self, claims: IdempotencyStore, claim: IdempotencyClaim
    ) -> None:
        await begin_claim(claims, claim)
        await claims.store_answer(claim, b"")
        assert await claims.claim_operation(claim, LEASE_S) == b""

    async def test_another_request_under_the_same_key_is_refused(
        self, claims: IdempotencyStore, claim: IdempotencyClaim
    ) -> None:
        await begin_claim(claims, claim)
        other = IdempotencyClaim(claim.owner, claim.rpc, claim.key, b"e" * 32)
        assert (await refusal(claims, other)).reason == "IDEMPOTENCY_KEY_REUSED"
        await claims.store_answer(claim, b"answer")
        assert (await refusal(claims, other)).reason == "IDEMPOTENCY_KEY_REUSED"

    async def test_nobody_else_runs_it_during_the_lease(
        self, claims: IdempotencyStore, claim: IdempotencyClaim, clock: FixedClock
    ) -> None:
        await begin_claim(claims, claim)
        clock.advance(LEASE - timedelta(seconds=1))
        error = await refusal(claims, claim)
        assert (error.reason, error.retry_after_s) == ("OPERATION_IN_PROGRESS", 1.0)

    async def test_after_the_lease_the_same_operation_is_run_again(
        self, claims: IdempotencyStore, claim: IdempotencyClaim, clock: FixedClock
    ) -> None:
        first = await begin_claim(claims, claim)
        clock.advance(LEASE)
        assert await begin_claim(claims, claim) == IdempotentOperation(
            first.id, first.started_at, is_replay=True
        )

    async def test_a_lease_that_a_clock_minutes_ahead_gave_is_not_waited_for(
        self, claims: IdempotencyStore, claim: IdempotencyClaim, clock: FixedClock
    ) -> None:
        clock.advance(timedelta(minutes=5))
        first = await begin_claim(claims, claim)
        clock.advance(timedelta(minutes=-5))
        assert await begin_claim(claims, claim) == IdempotentOperation(
            first.id, first.started_at, is_replay=True
        )

    async def test_an_expired_claim_is_run_again_at_once(
        self, claims: IdempotencyStore, claim: IdempotencyClaim
    ) -> None:
        first = await begin_claim(claims, claim)
        await claims.expire(claim)
        assert await begin_claim(claims, claim) == IdempotentOperation(
            first.id, first.started_at, is_replay=True
        )

    async def test_a_released_claim_is_forgotten(
        self, claims: IdempotencyStore, claim: IdempotencyClaim
    ) -> None:
        first = await begin_claim(claims, claim)
        await claims.release(claim)
        second = await begin_claim(claims, IdempotencyClaim(claim.owner, claim.rpc, claim.key, b"e" * 32))
        assert second.id != first.id
        assert not second.is_replay

    async def test_keys_of_other_callers_and_calls_are_others(
        self, claims: IdempotencyStore, claim: IdempotencyClaim
    ) -> None:
        await begin_claim(claims, claim)
        await begin_claim(claims, IdempotencyClaim(new_id("usr"), claim.rpc, claim.key, claim.digest))
        await begin_claim(
            claims, IdempotencyClaim(claim.owner, "test.v1.ThingService.Break", claim.key, claim.digest)
        )

    async def test_a_service_may_claim_too(self, claims: IdempotencyStore, claim: IdempotencyClaim) -> None:
        await begin_claim(claims, IdempotencyClaim("application", claim.rpc, claim.key, claim.digest))

    async def test_of_many_at_once_one_runs(self, claims: IdempotencyStore, claim: IdempotencyClaim) -> None:
        runs = await asyncio.gather(
            *(claims.claim_operation(claim, LEASE_S) for _ in range(20)), return_exceptions=True
        )
        assert sum(isinstance(run, IdempotentOperation) for run in runs) == 1
        assert sum(isinstance(run, DomainError) for run in runs) == 19

    async def test_of_many_at_once_one_repeats_what_was_cut_off(
        self, claims: IdempotencyStore, claim: IdempotencyClaim, clock: FixedClock
    ) -> None:
        await begin_claim(claims, claim)
        clock.advance(LEASE)
        runs = await asyncio.gather(
            *(claims.claim_operation(claim, LEASE_S) for _ in range(20)), return_exceptions=True
        )
        assert sum(isinstance(run, IdempotentOperation) for run in runs) == 1
