"""The settings of the store of blobs, and the store that they name."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from chassis.blobs.blob_store import BlobStore
from chassis.blobs.disk_blob_store import DiskBlobStore
from chassis.blobs.no_blob_store import NoBlobStore
from chassis.settings import ChassisSettings

_S3_URL: Final = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,62})(?:/(?P<prefix>[\w/-]*\w))?/?", re.ASCII
)
_FILE_SCHEME: Final = "file"


class BlobSettings(ChassisSettings):
    """Settings of a service that keeps files."""

    blobs: str = Field(
        default="",
        description="where files are kept: file:///folder or s3://bucket/prefix; empty: none can be",
    )
    s3_endpoint: str = Field(
        default="", pattern=r"^(https?://[^\s/]+)?$", description="the server of s3://; empty: Amazon's"
    )
    s3_region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]{1,40}$")
    s3_access_key: str = Field(default="", description="empty: the role of the machine")
    s3_secret_key: SecretStr = SecretStr("")

    @field_validator("blobs")
    @classmethod
    def _names_a_store(cls, value: str) -> str:
        parts = urlsplit(value)
        if not value:
            return value
        is_folder = parts.scheme == _FILE_SCHEME and not parts.netloc and parts.path.startswith("/")
        if not is_folder and not _S3_URL.fullmatch(value):
            raise ValueError("has to be file:///folder or s3://bucket/prefix")
        return value


def open_blob_store(settings: BlobSettings) -> BlobStore:
    """Return the store that the settings name; nothing connects before it is used."""
    if not settings.blobs:
        return NoBlobStore()
    in_bucket = _S3_URL.fullmatch(settings.blobs)
    if in_bucket is None:
        return DiskBlobStore(Path(urlsplit(settings.blobs).path))
    # Imported here: a process with files on a disk does without the library.
    from chassis.blobs.s3_blob_store import S3BlobStore, S3Location  # noqa: PLC0415

    return S3BlobStore(
        S3Location(
            bucket=in_bucket["bucket"],
            prefix=in_bucket["prefix"] or "",
            endpoint=settings.s3_endpoint,
            region=settings.s3_region,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
        )
    )
