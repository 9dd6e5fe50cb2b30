"""Reads that a crowd shares."""

import asyncio

import pytest

from services.application.peers import SharedReads


class Source:
    """A value that changes, and counts how often it is read; a read takes until it is let go."""

    def __init__(self) -> None:
        self.value = "old"
        self.reads = 0
        self.gate = asyncio.Event()

    async def read(self, key: str) -> str:
        self.reads += 1
        value = f"{key}: {self.value}"
        await self.gate.wait()
        return value


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_during_a_read_shares_the_next_one_and_sees_what_has_changed_since() -> None:
    source = Source()
    reads = SharedReads(source.read)
    first = asyncio.create_task(reads.get("a"))
    await settle()
    source.value = "new"
    crowd = [asyncio.create_task(reads.get("a")) for _ in range(20)]
    await settle()
    source.gate.set()
    assert await first == "a: old"
    assert set(await asyncio.gather(*crowd)) == {"a: new"}
    assert source.reads == 2


async def test_one_who_gives_up_does_not_end_the_read_of_the_others() -> None:
    source = Source()
    reads = SharedReads(source.read)
    leaver, stayer = (asyncio.create_task(reads.get("a")) for _ in range(2))
    await settle()
    leaver.cancel()
    await settle()
    source.gate.set()
    assert await stayer == "a: old"


async def test_a_failed_read_fails_for_those_who_share_it_and_not_for_the_next() -> None:
    outcomes = iter([ValueError("gone"), None])

    async def read(key: str) -> str:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return key

    reads = SharedReads(read)
    with pytest.raises(ValueError, match="gone"):
        await reads.get("a")
    assert await reads.get("a") == "a"
