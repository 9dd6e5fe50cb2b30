"""What every store of blobs does; the fake, the disk and the bucket are held to it by the same tests."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from chassis.blobs import BlobInfo, BlobNotFoundError, BlobStore, BlobTooLargeError

MAX_BYTES = 300_000
MEGABYTE = 1024 * 1024


async def parts(*content: bytes) -> AsyncIterator[bytes]:
    for part in content:
        yield part


async def interrupted_parts(*content: bytes) -> AsyncIterator[bytes]:
    async for part in parts(*content):
        yield part
    raise ConnectionError("the client has gone")


async def put(store: BlobStore, key: str, content: bytes = b"content") -> BlobInfo:
    return await store.put(key, parts(content), max_bytes=MAX_BYTES)


async def read(store: BlobStore, key: str) -> bytes:
    return b"".join([part async for part in store.read(key)])


async def all_keys(store: BlobStore, folder: str, limit: int = 100) -> list[str]:
    keys: list[str] = []
    while page := await store.list_page(folder, after=keys[-1] if keys else "", limit=limit):
        assert len(page) <= limit
        keys += [blob.key for blob in page]
    return keys


class BlobStoreContract:
    """Subclasses provide the fixture `store`, which is empty."""

    async def test_a_content_is_read_as_it_was_put_however_it_came(self, store: BlobStore) -> None:
        whole = bytes(range(256)) * 1000
        stored = await store.put("a/b", parts(whole[:7], b"", whole[7:]), max_bytes=len(whole))
        assert (stored.key, stored.size_bytes) == ("a/b", len(whole))
        assert await read(store, "a/b") == whole
        assert await store.head("a/b") == stored
        age = datetime.now(UTC) - stored.modify_time
        assert timedelta(seconds=-5) < age < timedelta(minutes=1)

    async def test_an_empty_content_is_a_content(self, store: BlobStore) -> None:
        await put(store, "a/empty", b"")
        assert await read(store, "a/empty") == b""
        found = await store.head("a/empty")
        assert found is not None and found.size_bytes == 0

    async def test_a_second_content_replaces_the_first(self, store: BlobStore) -> None:
        await put(store, "a/b", b"first")
        await put(store, "a/b", b"second")
        assert await read(store, "a/b") == b"second"
        assert await all_keys(store, "a") == ["a/b"]

    async def test_there_is_nothing_at_an_unused_key(self, store: BlobStore) -> None:
        await put(store, "a/b")
        for key in ("a/c", "a", "a/b/c", "b"):
            assert await store.head(key) is None
            with pytest.raises(BlobNotFoundError):
                await read(store, key)

    async def test_a_content_over_its_bound_leaves_nothing(self, store: BlobStore) -> None:
        with pytest.raises(BlobTooLargeError):
            await store.put("a/large", parts(b"x" * 10, b"x"), max_bytes=10)
        assert await store.head("a/large") is None
        assert await all_keys(store, "a") == []
        assert await store.remove_partial_contents(datetime.now(UTC) + timedelta(days=1)) == 0

    async def test_a_content_that_breaks_off_leaves_nothing(self, store: BlobStore) -> None:
        with pytest.raises(ConnectionError):
            await store.put("a/half", interrupted_parts(b"half"), max_bytes=MAX_BYTES)
        assert await store.head("a/half") is None
        assert await store.remove_partial_contents(datetime.now(UTC) + timedelta(days=1)) == 0

    async def test_a_content_that_breaks_off_leaves_the_earlier_one(self, store: BlobStore) -> None:
        await put(store, "a/b", b"whole")
        with pytest.raises(ConnectionError):
            await store.put("a/b", interrupted_parts(b"half"), max_bytes=MAX_BYTES)
        assert await read(store, "a/b") == b"whole"

    async def test_a_put_that_is_cancelled_leaves_nothing(self, store: BlobStore) -> None:
        is_waiting = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"begin"
            is_waiting.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(store.put("a/b", endless(), max_bytes=MAX_BYTES))
        await is_waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await store.head("a/b") is None
        assert await store.remove_partial_contents(datetime.now(UTC) + timedelta(days=1)) == 0

    async def test_a_deleted_content_is_gone_and_can_be_deleted_again(self, store: BlobStore) -> None:
        await put(store, "a/b/c")
        await put(store, "a/d")
        await store.delete("a/b/c")
        await store.delete("a/b/c")
        assert await store.head("a/b/c") is None
        assert await all_keys(store, "a") == ["a/d"]

    async def test_a_folder_is_listed_in_order_page_by_page_and_no_other(self, store: BlobStore) -> None:
        long = "usr_01M82MXNND3Z0G5R7K2C4W8Y9B"
        keys = ["a/A", "a/B/1", "a/a", f"a/{long}/1_x", f"a/{long}/2_y", "a/usr_01M82M/1", f"a/{long}0/1"]
        for key in (*reversed(keys), "ab/1", "b/1"):
            await put(store, key)
        for limit in (1, 2, 100):
            assert await all_keys(store, "a", limit) == sorted(keys)
        assert await all_keys(store, f"a/{long}") == [f"a/{long}/1_x", f"a/{long}/2_y"]
        assert await all_keys(store, "nothing") == []

    async def test_many_contents_are_put_at_once(self, store: BlobStore) -> None:
        keys = [f"a/{number:02}" for number in range(20)]
        await asyncio.gather(*(put(store, key, key.encode()) for key in keys))
        assert await all_keys(store, "a", 7) == keys
        assert [await read(store, key) for key in keys] == [key.encode() for key in keys]

    async def test_of_two_puts_to_one_key_one_is_read_whole(self, store: BlobStore) -> None:
        contents = [bytes([number]) * 100_000 for number in range(4)]
        await asyncio.gather(*(put(store, "a/b", content) for content in contents))
        assert await read(store, "a/b") in contents

    @pytest.mark.parametrize(
        "key",
        ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.b", "a b", "a\x00b", "a\\b", "ä", "a+/b", "x" * 501],
    )
    async def test_what_is_no_key_reaches_no_store(self, store: BlobStore, key: str) -> None:
        with pytest.raises(ValueError, match="not the key of a blob"):
            await put(store, key)
        with pytest.raises(ValueError, match="not the key of a blob"):
            await read(store, key)
        with pytest.raises(ValueError, match="not the key of a blob"):
            await store.head(key)
        with pytest.raises(ValueError, match="not the key of a blob"):
            await store.delete(key)
