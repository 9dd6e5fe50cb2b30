"""Reads that many callers make together."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from chassis.concurrency.batch_loader import BatchLoader
from chassis.errors import DomainError, not_found


class HeldSource:
    """Values that change; a read takes until it is let go."""

    def __init__(self) -> None:
        self.value = "old"
        self.reads: list[Sequence[str]] = []
        self.gate = asyncio.Event()

    async def read(self, keys: Sequence[str]) -> Mapping[str, str | DomainError]:
        self.reads.append(keys)
        values = {key: f"{key}: {self.value}" for key in keys if key != "missing"}
        await self.gate.wait()
        return {key: not_found("INTERNSHIP_NOT_FOUND", "internship", key) for key in keys} | values


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_during_a_read_shares_the_next_one_and_sees_what_has_changed_since() -> None:
    source = HeldSource()
    reads = BatchLoader(source.read)
    first = asyncio.create_task(reads.get("a"))
    await settle()
    source.value = "new"
    callers = [asyncio.create_task(reads.get("ab"[number % 2])) for number in range(20)]
    await settle()
    source.gate.set()
    assert await first == "a: old"
    assert set(await asyncio.gather(*callers)) == {"a: new", "b: new"}
    assert source.reads == [["a"], ["a", "b"]]


async def test_what_is_missing_is_missed_by_those_who_asked_for_it_only() -> None:
    source = HeldSource()
    source.gate.set()
    reads = BatchLoader(source.read)
    found, missing = await asyncio.gather(reads.get("a"), reads.get("missing"), return_exceptions=True)
    assert found == "a: old"
    assert isinstance(missing, DomainError)
    assert missing.reason == "INTERNSHIP_NOT_FOUND"


async def test_a_failed_read_fails_for_those_who_share_it_and_not_for_the_next() -> None:
    outcomes = iter([ValueError("gone"), None])

    async def read(keys: Sequence[str]) -> Mapping[str, str]:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return {key: key for key in keys}

    reads: BatchLoader[str] = BatchLoader(read)
    with pytest.raises(ValueError, match="gone"):
        await reads.get("a")
    assert await reads.get("a") == "a"
