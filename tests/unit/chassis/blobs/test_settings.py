from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from chassis.blobs import BlobSettings, open_blob_store
from chassis.blobs.disk_blob_store import DiskBlobStore
from chassis.errors import DomainError
from tests.contracts.blob_store import put, read


def settings(**values: str) -> BlobSettings:
    """Return settings of which only those of the store are read."""
    return BlobSettings.model_construct(**cast("Any", values))


def url_problem(url: str) -> str:
    with pytest.raises(ValidationError) as refused:
        BlobSettings.model_validate({"blobs": url})
    return next((error["msg"] for error in refused.value.errors() if error["loc"] == ("blobs",)), "")


@pytest.mark.parametrize(
    "url",
    ["/var/files", "file://host/folder", "file:folder", "s3://", "s3://B", "s3://bucket/../x", "https://x/y"],
)
def test_a_url_that_names_no_store_stops_the_start(url: str) -> None:
    assert "file:///folder or s3://bucket/prefix" in url_problem(url)


@pytest.mark.parametrize(
    "url",
    ["", "file:///var/files", "s3://bucket", "s3://bucket/", "s3://my.bucket-1/a/b", "s3://bucket/a/b/"],
)
def test_a_url_of_a_folder_or_bucket_is_taken(url: str) -> None:
    assert url_problem(url) == ""


async def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    store = open_blob_store(settings(blobs=(tmp_path / "files").as_uri()))
    assert isinstance(store, DiskBlobStore)
    await put(store, "a/b", b"content")
    assert await read(store, "a/b") == b"content"
    assert (tmp_path / "files" / "a" / "b").read_bytes() == b"content"


async def test_without_a_url_files_are_unavailable() -> None:
    store = open_blob_store(settings(blobs=""))
    for call in (put, read, lambda store, key: store.head(key), lambda store, key: store.delete(key)):
        with pytest.raises(DomainError) as refused:
            await call(store, "a/b")
        assert refused.value.reason == "UNAVAILABLE"
        assert "IC_BLOBS" in refused.value.message
