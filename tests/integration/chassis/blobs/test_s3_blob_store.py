"""The store of blobs in a bucket, on a real server that speaks S3."""

import asyncio
import os
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest

from chassis.blobs import BlobStore
from chassis.blobs.s3_blob_store import S3BlobStore, S3Location
from chassis.errors import DomainError
from devstack.toolbox import tools
from ops.errors import OpsError
from tests.contracts.blob_store import BlobStoreContract, all_keys, put, read
from tests.ports import free_port
from tests.waiting import wait_until_blocking

MAX_KEYS_LISTED = 20
"""The keys of one answer of the server; S3's own are 1,000."""
LOCATION = {"region": "us-east-1", "access_key": "tester", "secret_key": "a secret of the test"}


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    try:
        server = tools.s3_server()
    except OpsError as error:
        pytest.skip(f"the server that speaks S3 cannot be installed here: {error}")
    port = free_port()
    with subprocess.Popen(
        [str(server), "-H", "127.0.0.1", "-p", str(port)],
        env=os.environ | {"MOTO_S3_DEFAULT_MAX_KEYS": str(MAX_KEYS_LISTED)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until_blocking(lambda: answers(f"http://127.0.0.1:{port}/moto-api/"), "the server")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture
def bucket(endpoint: str) -> str:
    name = f"documents-{secrets.token_hex(4)}"
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{name}", method="PUT")):
        return name


class TestS3BlobStore(BlobStoreContract):
    @pytest.fixture
    def store(self, endpoint: str, bucket: str) -> BlobStore:
        return S3BlobStore(S3Location(bucket, "of/tests", endpoint, **LOCATION))


async def test_prefixes_keep_stores_in_one_bucket_apart(endpoint: str, bucket: str) -> None:
    one = S3BlobStore(S3Location(bucket, "one", endpoint, **LOCATION))
    other = S3BlobStore(S3Location(bucket, "", endpoint, **LOCATION))
    await put(one, "a/b", b"one")
    assert await all_keys(one, "a") == ["a/b"]
    assert await all_keys(other, "a") == []
    assert await read(other, "one/a/b") == b"one"


async def test_a_page_begins_after_a_key_among_more_than_the_server_lists_at_once(
    endpoint: str, bucket: str
) -> None:
    store = S3BlobStore(S3Location(bucket, "", endpoint, **LOCATION))
    keys = [f"a/{number:04}" for number in range(2 * MAX_KEYS_LISTED + 5)]
    await asyncio.gather(*(put(store, key, b"") for key in keys))
    assert await all_keys(store, "a", limit=2 * MAX_KEYS_LISTED) == keys


async def test_a_bucket_that_does_not_answer_is_unavailable_in_time() -> None:
    store = S3BlobStore(S3Location("bucket", "", f"http://127.0.0.1:{free_port()}", **LOCATION))
    began = time.monotonic()
    with pytest.raises(DomainError) as refused:
        await put(store, "a/b")
    assert refused.value.reason == "UNAVAILABLE"
    assert time.monotonic() - began < 30


async def test_a_bucket_that_does_not_exist_is_unavailable_and_not_empty(endpoint: str) -> None:
    store = S3BlobStore(S3Location("no-such-bucket", "", endpoint, **LOCATION))
    with pytest.raises(DomainError):
        await put(store, "a/b")
    with pytest.raises(DomainError):
        await store.list_page("a", limit=10)
