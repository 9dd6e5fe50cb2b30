"""What every cache store does; the fake and the real one are held to it by the same tests."""

import asyncio
import secrets

import pytest

from chassis.cache import CacheStore


class CacheStoreContract:
    """Subclasses provide the fixture `store`."""

    async def pass_time(self, seconds: float) -> None:
        """Wait; a store with a clock of the test's own advances that instead."""
        await asyncio.sleep(seconds)

    @pytest.fixture
    def key(self) -> str:
        return f"test:{secrets.token_hex(8)}"

    async def test_there_is_nothing_at_an_unused_key(self, store: CacheStore, key: str) -> None:
        assert await store.get(key) is None

    async def test_the_first_claim_gets_the_place_and_the_second_sees_the_first(
        self, store: CacheStore, key: str
    ) -> None:
        assert await store.claim_lease(key, b"first", 5) is None
        assert await store.claim_lease(key, b"second", 5) == b"first"
        assert await store.get(key) == b"first"

    async def test_a_lease_is_filled_by_its_holder_only(self, store: CacheStore, key: str) -> None:
        await store.claim_lease(key, b"mine", 5)

        assert not await store.fill(key, b"another's", b"value", 5, 60)
        assert await store.fill(key, b"mine", b"va\x00\xffue", 5, 60)
        assert await store.get(key) == b"va\x00\xffue"

    async def test_a_removed_lease_can_not_be_filled(self, store: CacheStore, key: str) -> None:
        await store.claim_lease(key, b"mine", 5)
        await store.remove(key)

        assert not await store.fill(key, b"mine", b"outdated", 5, 60)
        assert await store.get(key) is None

    async def test_a_spare_outlives_its_entry_and_goes_when_that_is_removed(
        self, store: CacheStore, key: str
    ) -> None:
        assert await store.get_stale_copy(key) is None
        await store.claim_lease(key, b"mine", 5)
        await store.fill(key, b"mine", b"value", 0.05, 60)
        await self.pass_time(0.1)
        assert await store.get(key) is None
        assert await store.get_stale_copy(key) == b"value"
        await store.remove(key)
        assert await store.get_stale_copy(key) is None

    async def test_an_entry_that_wants_no_spare_takes_an_earlier_one_away(
        self, store: CacheStore, key: str
    ) -> None:
        await store.claim_lease(key, b"mine", 5)
        await store.fill(key, b"mine", b"value", 0.05, 60)
        await self.pass_time(0.1)
        await store.claim_lease(key, b"mine", 5)
        await store.fill(key, b"mine", b"nothing", 5, 0)
        assert await store.get_stale_copy(key) is None

    async def test_removing_what_is_not_there_is_no_error(self, store: CacheStore, key: str) -> None:
        await store.remove(key)

    async def test_an_entry_expires(self, store: CacheStore, key: str) -> None:
        await store.claim_lease(key, b"mine", 5)
        await store.fill(key, b"mine", b"value", 0.05, 60)
        await self.pass_time(0.1)

        assert await store.get(key) is None

    async def test_many_reads_at_once_each_get_their_own_value(self, store: CacheStore, key: str) -> None:
        for number in range(50):
            await store.claim_lease(f"{key}:{number}", b"%d" % number, 5)

        values = await asyncio.gather(*(store.get(f"{key}:{number % 60}") for number in range(300)))

        assert values == [b"%d" % (n % 60) if n % 60 < 50 else None for n in range(300)]

    async def test_a_reader_that_gives_up_does_not_disturb_the_others(
        self, store: CacheStore, key: str
    ) -> None:
        for number in range(20):
            await store.claim_lease(f"{key}:{number}", b"%d" % number, 5)
        reads = [asyncio.create_task(store.get(f"{key}:{number % 20}")) for number in range(100)]
        await asyncio.sleep(0)
        for read in reads[::3]:
            read.cancel()

        values = await asyncio.gather(*reads, return_exceptions=True)

        kept = {n: value for n, value in enumerate(values) if not isinstance(value, BaseException)}
        assert len(kept) >= 60
        assert kept == {n: b"%d" % (n % 20) for n in kept}
