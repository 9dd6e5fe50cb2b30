"""Blobs: the contents of files, on a local disk or in a bucket that speaks S3."""

from chassis.blobs.blob_store import (
    BlobInfo,
    BlobNotFoundError,
    BlobStore,
    BlobTooLargeError,
    check_blob_key,
)
from chassis.blobs.settings import BlobSettings, open_blob_store

__all__ = [
    "BlobInfo",
    "BlobNotFoundError",
    "BlobSettings",
    "BlobStore",
    "BlobTooLargeError",
    "check_blob_key",
    "open_blob_store",
]
