import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chassis.blobs import BlobStore
from chassis.blobs.disk_blob_store import SHARD_SUFFIX, DiskBlobStore
from chassis.errors import DomainError
from ops.paths import GEN, REPO
from tests.contracts.blob_store import BlobStoreContract, all_keys, put, read

FAR_AHEAD = datetime.now(UTC) + timedelta(days=1)
KILLED_PUT = """
import asyncio, sys
from pathlib import Path
from chassis.blobs.disk_blob_store import DiskBlobStore

async def half():
    yield b"half"
    print("waiting", flush=True)
    await asyncio.sleep(60)

asyncio.run(DiskBlobStore(Path(sys.argv[1])).put("a/b", half(), max_bytes=100))
"""


class TestDiskBlobStore(BlobStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> BlobStore:
        return DiskBlobStore(tmp_path / "blobs")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


async def test_what_a_killed_process_has_left_is_no_blob_and_is_removed(root: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{REPO}:{GEN}"}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_PUT, str(root)], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"waiting\n"
        process.send_signal(signal.SIGKILL)
    store = DiskBlobStore(root)
    assert await store.head("a/b") is None
    assert await all_keys(store, "a") == []
    assert await store.remove_partial_contents(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert await store.remove_partial_contents(FAR_AHEAD) == 1
    assert not [path for path in root.rglob("*") if path.is_file()]


async def test_a_long_segment_lies_in_a_folder_by_its_beginning(root: Path) -> None:
    await put(DiskBlobStore(root), "documents/usr_01M82MXNND3Z0G5R7K2C4W8Y9B/1")
    [found] = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    assert found.parts == ("documents", f"usr_01M82M{SHARD_SUFFIX}", "usr_01M82MXNND3Z0G5R7K2C4W8Y9B", "1")


async def test_only_the_owner_of_the_process_reads_files(root: Path) -> None:
    await put(DiskBlobStore(root), "a/b")
    assert {path.stat().st_mode & 0o077 for path in root.rglob("*")} == {0}


async def test_empty_folders_go_with_their_last_blob(root: Path) -> None:
    store = DiskBlobStore(root)
    await put(store, "a/b/c/d")
    await put(store, "a/e")
    await store.delete("a/b/c/d")
    assert {path.name for path in root.iterdir()} == {"a", ".partial"}
    assert [path.name for path in (root / "a").iterdir()] == ["e"]


async def test_puts_and_deletes_of_one_folder_at_once_lose_nothing(root: Path) -> None:
    store = DiskBlobStore(root)

    async def come_and_go(number: int) -> None:
        for _ in range(20):
            await put(store, f"a/b/{number}")
            await store.delete(f"a/b/{number}")
        await put(store, f"a/b/{number}", b"last")

    await asyncio.gather(*map(come_and_go, range(4)))
    assert [await read(store, key) for key in await all_keys(store, "a")] == [b"last"] * 4


async def test_a_link_to_another_folder_is_not_listed(root: Path, tmp_path: Path) -> None:
    store = DiskBlobStore(root)
    await put(store, "a/b")
    (tmp_path / "secret").write_text("secret")
    (root / "a" / "folder").symlink_to(tmp_path)
    assert await all_keys(store, "a") == ["a/b"]


async def test_a_disk_that_refuses_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DomainError) as refused:
        await put(DiskBlobStore(tmp_path / "file"), "a/b")
    assert refused.value.reason == "UNAVAILABLE"
